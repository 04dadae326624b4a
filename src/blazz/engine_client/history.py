"""Calls about history: blobs in pieces, and the word to the phone that they were taken in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc

from blazz._generated.engine import history_pb2 as pb
from blazz._generated.engine import history_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef
from blazz.engine_client.errors import EngineGone, classify
from blazz.engine_client.stream import being_cancelled

_FETCH_S = 1800.0  # the whole blob, with the time to store its pieces


class HistoryClient:
    """The service History on an engine client's channel."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.HistoryStub(client.channel)

    async def fetch(self, ref: SessionRef, notification: bytes, skip: int) -> AsyncGenerator[pb.HistoryPiece, None]:
        """Yield a blob's pieces without the first `skip`; the host waits for a slow reader. Raises EngineError.

        A blob that can never be read is an error with the word `invalid` or `refused`.
        """
        request = pb.FetchHistoryRequest(
            session_id=ref.session_id, epoch=ref.epoch, notification=notification, skip=skip
        )
        call = self._stub.Fetch(request, timeout=_FETCH_S)
        try:
            async for piece in call:
                yield piece
        except grpc.aio.AioRpcError as error:
            raise classify(error) from None
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            raise EngineGone("engine_gone", "the connection was closed meanwhile") from None
        finally:
            call.cancel()

    async def finish(self, ref: SessionRef, message_id: str, notification: bytes) -> None:
        """Tell the phone that a blob was stored, and remove it from the media host. Raises EngineError."""
        request = pb.FinishHistoryRequest(
            session_id=ref.session_id, epoch=ref.epoch, message_id=message_id, notification=notification
        )
        await self._client.call(self._stub.Finish, request, 30.0)
