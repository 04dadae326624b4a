"""Typed calls about telephone calls."""

from __future__ import annotations

from typing import Any

from blazz._generated.engine import calls_pb2 as pb
from blazz._generated.engine import calls_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef


class CallsClient:
    """The service `Calls` over an engine client's connection. Every call raises EngineError."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.CallsStub(client.channel)

    async def reject(self, ref: SessionRef, caller: str, call_id: str) -> None:
        """Decline a call that rings; one that has ended is no error."""
        request = pb.RejectCallRequest(session_id=ref.session_id, epoch=ref.epoch, call_id=call_id, caller=caller)
        await self._client.call(self._stub.RejectCall, request)
