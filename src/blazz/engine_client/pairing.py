"""Typed calls of a linking that needs a passkey."""

from __future__ import annotations

from typing import Any

from blazz._generated.engine import pairing_pb2 as pb
from blazz._generated.engine import pairing_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef

_ANSWER_S = 25.0  # three questions to WhatsApp, one after the other


class PairingClient:
    """The service `Pairing` over an engine client's connection. Every call raises EngineError."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.PairingStub(client.channel)

    async def answer_passkey(self, ref: SessionRef, credential: str) -> None:
        """Hand an authenticator's answer to WhatsApp. Raises Refused when WhatsApp does not accept it."""
        request = pb.AnswerPasskeyRequest(session_id=ref.session_id, epoch=ref.epoch, credential=credential)
        await self._client.call(self._stub.AnswerPasskey, request, _ANSWER_S)

    async def confirm_passkey(self, ref: SessionRef) -> None:
        """Say that the phone shows the same code."""
        request = pb.ConfirmPasskeyRequest(session_id=ref.session_id, epoch=ref.epoch)
        await self._client.call(self._stub.ConfirmPasskey, request, _ANSWER_S)
