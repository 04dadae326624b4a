"""Typed calls about what WhatsApp allows an account."""

from __future__ import annotations

from typing import Any

from blazz._generated.engine import limits_pb2 as pb
from blazz._generated.engine import limits_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef


class LimitsClient:
    """The service `Limits` over an engine client's connection. Every call raises EngineError."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.LimitsStub(client.channel)

    async def reachout_timelock(self, ref: SessionRef) -> pb.GetReachoutTimelockReply:
        """Ask WhatsApp whether the account may start new chats; `ends_ms` is 0 where it does not say until when."""
        request = pb.GetReachoutTimelockRequest(session_id=ref.session_id, epoch=ref.epoch)
        reply: pb.GetReachoutTimelockReply = await self._client.call(self._stub.GetReachoutTimelock, request)
        return reply
