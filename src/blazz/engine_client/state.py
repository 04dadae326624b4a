"""Calls about the settings that all devices of a number share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blazz._generated.engine import state_pb2 as pb
from blazz._generated.engine import state_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef

_APPLY_S = 40.0  # the host waits up to 30 s for WhatsApp
_SYNC_S = 120.0


class StateClient:
    """The service AppState on an engine client's channel."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.AppStateStub(client.channel)

    async def apply(self, ref: SessionRef, collection: str, mutations: Sequence[pb.StateMutation]) -> int:
        """Write settings of one collection and return its new version. Raises EngineError."""
        request = pb.ApplyStateRequest(
            session_id=ref.session_id, epoch=ref.epoch, collection=collection, mutations=mutations
        )
        return int((await self._client.call(self._stub.Apply, request, _APPLY_S)).version)

    async def sync(self, ref: SessionRef, seen: Mapping[str, int]) -> list[str]:
        """Have what was missed sent again; returns the collections that are read anew. Raises EngineError."""
        request = pb.SyncStateRequest(
            session_id=ref.session_id,
            epoch=ref.epoch,
            seen=[pb.StateVersion(collection=name, version=version) for name, version in seen.items()],
        )
        return list((await self._client.call(self._stub.Sync, request, _SYNC_S)).collections)
