"""One client's connection: HTTP (media, or the upgrade), WebSocket, the Noise handshake, then encrypted stanzas."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from whatsim.model import Ends
from whatsim.server.entities import Device
from whatsim.server.http import Request, response, take_request
from whatsim.server.older_clients import FIRST_STANZA_S, by_number
from whatsim.wire import websocket
from whatsim.wire.binary import Node, decode, encode
from whatsim.wire.errors import WireError
from whatsim.wire.noise import Responder, TransportCipher
from whatsim.wire.records import ClientPayload, HandshakeMessage, PairingData, ServerHello
from whatsim.wire.tokens import Dictionary, dictionary

if TYPE_CHECKING:
    from whatsim.server.core import Core

log = logging.getLogger(__name__)

# A client that does not finish the handshake in this time is cut off.
HANDSHAKE_S = 30.0
# Data that a client does not read; beyond this it is cut off.
MAX_UNREAD = 64 << 20
_ROUTING_PREFIX = b"ED"
_HEADER = b"WA"
# A client that was asked to reconnect gets this long to hang up itself.
LINGER_S = 2.0
# After the last stanza of a connection that the server ends.
PARTING_S = 0.25


class Stage(Enum):
    """How far a connection has got."""

    HTTP = auto()
    HEADER = auto()
    HELLO = auto()
    FINISH = auto()
    OPEN = auto()
    CLOSED = auto()


class Connection(asyncio.Protocol):
    """The server's end of one socket. After `close` nothing that arrives is looked at any more."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._frames = bytearray()
        self._stage = Stage.HTTP
        self._busy = False
        self._responder: Responder | None = None
        self._read: TransportCipher | None = None
        self._write: TransportCipher | None = None
        self._out: list[bytes] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._was_upgraded = False
        # None: the client has the present dictionary.
        self._words: Dictionary | None = None
        self.device: Device | None = None
        self.epoch = 0
        # Stanzas are delivered from the moment the client has said that it is active.
        self.active = False
        # Who shows as online is told what others do: typing, and the presence of those asked for.
        self.available = False
        self.watching: set[int] = set()
        self.static = b""
        self.registration: PairingData | None = None
        self.refs: list[str] = []

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # a cast, since uvloop's transports are not subclasses of asyncio's
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNREAD)
        self._core.connections.add(self)
        self.set_deadline(HANDSHAKE_S)

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.CLOSED:
            return
        self._buffer += data
        try:
            self._advance()
        except WireError as error:
            log.debug("Connection cut: %s", error)
            self.abort()
        except Exception:
            log.exception("A connection failed")
            self.abort()

    def pause_writing(self) -> None:
        log.warning("A client does not read; its connection is cut")
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._was_upgraded or self.is_upgraded:
            self._core.tap.note(self.label, "connection closed")
        self._stage = Stage.CLOSED
        self.set_deadline(None)
        self._core.connections.discard(self)
        self._core.session.leave(self)

    # --- what the server does with it

    @property
    def is_open(self) -> bool:
        """Whether stanzas can be exchanged."""
        return self._stage is Stage.OPEN

    @property
    def is_upgraded(self) -> bool:
        """Whether this is a WebSocket (and not a media request)."""
        return self._stage not in (Stage.HTTP, Stage.CLOSED)

    @property
    def ends(self) -> Ends:
        """Both addresses; one that is not known (the client was gone before it was accepted) is empty."""
        return Ends(self._end("peername"), self._end("sockname"))

    def _end(self, which: str) -> tuple[str, int]:
        name = None if self._transport is None else self._transport.get_extra_info(which)
        return ("", 0) if name is None else (str(name[0]), int(name[1]))

    @property
    def label(self) -> str:
        """What the trace calls the client: `number:device` once it has logged in, until then its address."""
        if self.device is not None:
            return f"{self.device.phone.number}:{self.device.device}"
        return "new:{1}".format(*self.ends.client)

    def send(self, node: Node) -> None:
        """Send a stanza now (subject to the faults that concern this connection)."""
        self.send_encoded(encode(node))

    def send_encoded(self, data: bytes) -> None:
        """Send a stanza that is encoded already."""
        if self._stage is not Stage.OPEN:
            return
        faults = self._core.faults
        if faults.find("silence", self.device) is not None:
            return
        delay = faults.find("delay", self.device)
        if delay is not None and delay.spec.seconds is not None:
            delay.hits += 1
            asyncio.get_running_loop().call_later(delay.spec.seconds, self._send_now, data)
        else:
            self._send_now(data)

    def _send_now(self, data: bytes) -> None:
        if self._stage is Stage.OPEN and self._write is not None:
            if self._words is not None:
                node = by_number(self._core.world, decode(data))
                data = encode(node, self._words)
                self._core.tap.stanza(self.label, "<", node)
            elif self._core.tap.watched:
                self._core.tap.encoded(self.label, "<", data)
            self._send_frame(self._write.encrypt(data))

    def close(self, last: Node | None = None) -> None:
        """Send a last stanza and end the connection; nothing is accepted from now on.

        With a last stanza the socket stays a moment longer: clients drop what they have not handled when it goes.
        """
        if self._stage is Stage.CLOSED:
            return
        linger = last is not None and self._stage is Stage.OPEN and self._write is not None
        if last is not None and self._write is not None:
            self._core.tap.stanza(self.label, "<", last)
            self._send_frame(self._write.encrypt(encode(last, self._words)))
        self._was_upgraded = self.is_upgraded
        self._stage = Stage.CLOSED
        self.active = False
        self.set_deadline(None)
        if linger:
            self._deadline = asyncio.get_running_loop().call_later(PARTING_S, self._hang_up)
        else:
            self._hang_up()
        self._core.session.leave(self)

    def _hang_up(self) -> None:
        if self._was_upgraded:
            self._out.append(websocket.GOODBYE)
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def close_soon(self, last: Node) -> None:
        """Send a last stanza and leave it to the client to hang up; after two seconds the server does."""
        self.send(last)
        self.active = False
        self.set_deadline(LINGER_S)

    def abort(self) -> None:
        """Cut the connection without goodbye."""
        self._was_upgraded = self._was_upgraded or self.is_upgraded
        self._stage = Stage.CLOSED
        self.active = False
        if self._transport is not None:
            self._transport.abort()

    def set_deadline(self, seconds: float | None) -> None:
        """Close the connection after this time, replacing an earlier deadline; None lifts it."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None:
            self._deadline = asyncio.get_running_loop().call_later(seconds, self.close)

    # --- bytes

    def _advance(self) -> None:
        while self._stage is Stage.HTTP and not self._busy:
            request = take_request(self._buffer)
            if request is None:
                return
            self._handle_request(request)
        while self.is_upgraded:
            frame = websocket.take_frame(self._buffer)
            if frame is None:
                return
            self._handle_websocket(frame)

    def _handle_request(self, request: Request) -> None:
        key = request.headers.get("sec-websocket-key")
        if request.headers.get("upgrade", "").lower() == "websocket" and key:
            answer = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {websocket.accept_key(key)}\r\n\r\n"
            )
            self._write_out(answer.encode())
            self._stage = Stage.HEADER
            return
        if request.target == "/":
            self._respond(response(200, self._core.limits.front_page(), "text/html"))
            return
        # Media requests may take as long as they need.
        self.set_deadline(None)
        self._busy = True
        self._core.media_host.answer(request, self._respond)

    def _respond(self, response: bytes) -> None:
        self._busy = False
        if self._stage is Stage.HTTP:
            self._write_out(response)
            if self._buffer:
                self.data_received(b"")

    def _handle_websocket(self, frame: websocket.Frame) -> None:
        if frame.opcode == websocket.PING:
            if self._core.faults.find("silence", self.device) is None:
                self._write_out(websocket.frame(frame.payload, websocket.PONG))
            return
        if frame.opcode == websocket.CLOSE:
            self.close()
            return
        if frame.opcode not in (websocket.BINARY, websocket.CONTINUATION):
            return
        self._frames += frame.payload
        if len(self._frames) > 2 * websocket.MAX_PAYLOAD:
            raise WireError("too much unprocessed data")
        if self._stage is Stage.HEADER and not self._take_header():
            return
        while self.is_upgraded:
            data = self._take_frame()
            if data is None:
                return
            self._handle_frame(data)

    def _take_header(self) -> bool:
        frames = self._frames
        if frames[:2] == _ROUTING_PREFIX:
            if len(frames) < 7:
                return False
            size = int.from_bytes(frames[4:7], "big")
            if len(frames) < 7 + size + 4:
                return False
            del frames[: 7 + size]
        if len(frames) < 4:
            return False
        header = bytes(frames[:4])
        if header[:2] != _HEADER:
            raise WireError("unknown protocol header")
        if header[3] != dictionary().version:
            self._words = self._core.dictionaries.get(header[3])
            if self._words is None:
                raise WireError("unknown dictionary version")
        del frames[:4]
        chain = self._core.chain
        self._responder = Responder(header, chain.static, chain.chain)
        self._stage = Stage.HELLO
        return True

    def _take_frame(self) -> bytes | None:
        frames = self._frames
        if len(frames) < 3:
            return None
        end = 3 + int.from_bytes(frames[:3], "big")
        if len(frames) < end:
            return None
        data = bytes(frames[3:end])
        del frames[:end]
        return data

    def _handle_frame(self, data: bytes) -> None:
        silent = self._core.faults.find("silence", self.device)
        if self._stage is Stage.OPEN and self._read is not None:
            plain = self._read.decrypt(data)
            if silent is not None:
                silent.hits += 1
                return
            node = decode(plain, self._words)
            if self._core.tap.watched:
                self._core.tap.stanza(self.label, ">", node)
            self._core.dispatch(self, node)
        elif silent is not None:
            silent.hits += 1
        elif self._stage is Stage.HELLO:
            self._answer_hello(HandshakeMessage.decode(data))
        else:
            self._finish_handshake(HandshakeMessage.decode(data))

    def _answer_hello(self, message: HandshakeMessage) -> None:
        if message.client_hello is None or not message.client_hello.ephemeral or self._responder is None:
            raise WireError("handshake without hello")
        ephemeral, static, payload = self._responder.hello(message.client_hello.ephemeral)
        self._stage = Stage.FINISH
        self._send_frame(HandshakeMessage(server_hello=ServerHello(ephemeral, static, payload)).encode())

    def _finish_handshake(self, message: HandshakeMessage) -> None:
        finish = message.client_finish
        if finish is None or not finish.static or finish.payload is None or self._responder is None:
            raise WireError("handshake without finish")
        self.static, payload = self._responder.finish(finish.static, finish.payload)
        self._read, self._write = self._responder.split()
        self._responder = None
        self._stage = Stage.OPEN
        self.set_deadline(None)
        client = ClientPayload.decode(payload)
        if self._words is None:
            self._core.session.enter(self, client)
        else:
            asyncio.get_running_loop().call_later(FIRST_STANZA_S, self._enter, client)

    def _enter(self, client: ClientPayload) -> None:
        if self._stage is Stage.OPEN:
            self._core.session.enter(self, client)

    # --- writing

    def _send_frame(self, data: bytes) -> None:
        self._write_out(websocket.frame(len(data).to_bytes(3, "big") + data))

    def _write_out(self, data: bytes) -> None:
        # What is sent in one turn of the loop goes out in one piece: one TLS record, one system call.
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()
