"""Typed calls to the engine host over its Unix socket, every one with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from blazz._generated.engine import engine_pb2 as pb
from blazz._generated.engine import engine_pb2_grpc as rpc
from blazz.engine_client.errors import EngineGone, classify
from blazz.engine_client.stream import EventStream, being_cancelled

_CALL_S = 15.0
_STOP_S = 25.0  # the protocol library's handshake cannot be interrupted for up to 20 s
_SEND_S = 30.0  # what the host waits for WhatsApp's acknowledgement
_MEDIA_S = 300.0
_MARGIN_S = 5.0  # the host answers first; our own deadline is for a host that hangs
_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 200),
)


class SessionRef(NamedTuple):
    """A session and the epoch under which we own it."""

    session_id: str
    epoch: int


class EngineClient:
    """One connection to one engine host. Every call raises EngineError; none is repeated here."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._stub: Any = rpc.EngineStub(channel)
        self._closed = False

    @classmethod
    def open(cls, socket: Path) -> EngineClient:
        """Return a client for the Unix socket; it connects at the first call."""
        return cls(grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS))

    async def close(self) -> None:
        """Close the connection; calls under way fail with EngineGone. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._channel.close()

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel, for the stubs of the contract's other services."""
        return self._channel

    async def _call(self, method: str, request: Any, timeout_s: float = _CALL_S) -> Any:
        return await self.call(getattr(self._stub, method), request, timeout_s)

    async def call(self, method: Any, request: Any, timeout_s: float = _CALL_S) -> Any:
        """Call a method of a stub on this client's channel, within a time. Raises EngineError."""
        if self._closed:
            raise EngineGone("engine_gone", "the connection is closed")
        try:
            return await method(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise classify(error) from None
        except (grpc.aio.UsageError, asyncio.InvalidStateError):
            raise EngineGone("engine_gone", "the connection was closed meanwhile") from None
        except asyncio.CancelledError:
            if self._closed and not being_cancelled():
                raise EngineGone("engine_gone", "the connection was closed meanwhile") from None
            raise

    async def hello(self, *, timeout_s: float = 2.0) -> pb.HelloReply:
        """Return who answers on the socket."""
        reply: pb.HelloReply = await self._call("Hello", pb.HelloRequest(), timeout_s)
        return reply

    async def heartbeat(self, deadline_boottime_ns: int) -> None:
        """Move the dead-man deadline."""
        await self._call("Heartbeat", pb.HeartbeatRequest(deadline_boottime_ns=deadline_boottime_ns), 2.0)

    async def start_session(
        self, ref: SessionRef, store: Path, *, use_qr: bool, expect_linked: bool, previous_owner_gone: bool
    ) -> pb.StartSessionReply:
        """Open the store and begin to connect. Raises StoreMissing, StaleEpoch or another EngineError."""
        request = pb.StartSessionRequest(
            session_id=ref.session_id,
            epoch=ref.epoch,
            store_path=str(store),
            use_qr=use_qr,
            expect_linked=expect_linked,
            previous_owner_gone=previous_owner_gone,
        )
        reply: pb.StartSessionReply = await self._call("StartSession", request, 60.0)
        return reply

    async def stop_session(self, ref: SessionRef) -> None:
        """Disconnect and close the store. Idempotent."""
        await self._call("StopSession", pb.StopSessionRequest(session_id=ref.session_id, epoch=ref.epoch), _STOP_S)

    async def log_out(self, ref: SessionRef) -> None:
        """Remove the pairing at WhatsApp, set the store aside, stop the session."""
        await self._call("LogOut", pb.LogOutRequest(session_id=ref.session_id, epoch=ref.epoch), 25.0)

    async def pair_code(self, ref: SessionRef, phone_digits: str) -> str:
        """Return the code `XXXX-XXXX` to type on the phone."""
        request = pb.PairCodeRequest(session_id=ref.session_id, epoch=ref.epoch, phone=phone_digits)
        return str((await self._call("PairCode", request, 25.0)).code)

    async def send(
        self,
        ref: SessionRef,
        to: str,
        message_id: str,
        message: bytes,
        *,
        media_handle: str = "",
        peer: bool = False,
    ) -> pb.SendReply:
        """Send one serialised message and wait for the server's acknowledgement. `peer`: to our own phone only.

        Raises NotConnected (nothing left), UnknownOutcome or EngineGone (send the same id again), Refused.
        """
        request = pb.SendRequest(
            session_id=ref.session_id, epoch=ref.epoch, to=to, message_id=message_id, message=message
        )
        if media_handle:
            request.options.media_handle = media_handle
        if peer:
            request.options.peer = True
        reply: pb.SendReply = await self._call("Send", request, _SEND_S + _MARGIN_S)
        return reply

    async def mark_read(
        self, ref: SessionRef, chat: str, sender: str, message_ids: Iterable[str], timestamp_ms: int
    ) -> None:
        """Send read receipts (at most 100 ids)."""
        request = pb.MarkReadRequest(
            session_id=ref.session_id,
            epoch=ref.epoch,
            chat=chat,
            sender=sender,
            message_ids=message_ids,
            timestamp_ms=timestamp_ms,
        )
        await self._call("MarkRead", request)

    async def chat_presence(self, ref: SessionRef, chat: str, *, composing: bool, audio: bool) -> None:
        """Show in one chat that we type, record, or have stopped."""
        request = pb.SendChatPresenceRequest(
            session_id=ref.session_id, epoch=ref.epoch, chat=chat, composing=composing, audio=audio
        )
        await self._call("SendChatPresence", request)

    async def presence(self, ref: SessionRef, *, available: bool) -> None:
        """Tell WhatsApp whether we are available: others see it, and only then it delivers the typing of others."""
        await self._call(
            "SendPresence",
            pb.SendPresenceRequest(session_id=ref.session_id, epoch=ref.epoch, available=available),
        )

    async def subscribe_presence(self, ref: SessionRef, address: str) -> None:
        """Ask to be told whether a person is online, for as long as this connection stands."""
        request = pb.SubscribePresenceRequest(session_id=ref.session_id, epoch=ref.epoch, jid=address)
        await self._call("SubscribePresence", request)

    async def upload(self, ref: SessionRef, path: str, kind: pb.MediaType) -> pb.UploadReply:
        """Encrypt and upload a file given relative to the host's media directory."""
        request = pb.UploadRequest(session_id=ref.session_id, epoch=ref.epoch, path=path, type=kind)
        reply: pb.UploadReply = await self._call("Upload", request, _MEDIA_S)
        return reply

    async def download(self, ref: SessionRef, request: pb.DownloadRequest) -> int:
        """Download and decrypt into a file; returns its length in bytes. The session of `request` is filled in."""
        request.session_id, request.epoch = ref
        return int((await self._call("Download", request, _MEDIA_S)).file_length)

    async def is_on_whatsapp(self, ref: SessionRef, phones_digits: Iterable[str]) -> list[pb.OnWhatsApp]:
        """Ask about at most 100 numbers."""
        request = pb.IsOnWhatsAppRequest(session_id=ref.session_id, epoch=ref.epoch, phones=phones_digits)
        return list((await self._call("IsOnWhatsApp", request)).results)

    async def stats(self, *, collect_garbage: bool = False) -> pb.StatsReply:
        """Return the host's counters."""
        reply: pb.StatsReply = await self._call("Stats", pb.StatsRequest(collect_garbage=collect_garbage))
        return reply

    def events(self) -> EventStream:
        """Subscribe; an older subscription of anyone ends."""
        return EventStream(self._stub.Events())
