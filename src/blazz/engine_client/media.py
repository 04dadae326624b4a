"""Typed calls about files that WhatsApp's media hosts no longer have."""

from __future__ import annotations

from typing import Any

from blazz._generated.engine import media_pb2 as pb
from blazz._generated.engine import media_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef

_AGAIN_S = 30.0  # the host waits 20 s for the phone


class MediaClient:
    """The service `Media` over an engine client's connection. Every call raises EngineError."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.MediaStub(client.channel)

    async def request_again(
        self, ref: SessionRef, message_id: str, chat: str, sender: str, media_key: bytes, *, from_me: bool
    ) -> pb.RequestAgainReply:
        """Ask the own phone to upload a message's file again; `sender` is empty in a direct chat."""
        request = pb.RequestAgainRequest(
            session_id=ref.session_id,
            epoch=ref.epoch,
            message_id=message_id,
            chat=chat,
            sender=sender,
            from_me=from_me,
            media_key=media_key,
        )
        reply: pb.RequestAgainReply = await self._client.call(self._stub.RequestAgain, request, _AGAIN_S)
        return reply
