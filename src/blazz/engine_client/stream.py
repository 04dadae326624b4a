"""The stream of events from the engine host, and the answers that travel back in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc

from blazz._generated.engine import engine_pb2 as pb
from blazz.engine_client.errors import EngineGone


class EventStream:
    """One subscription. Iterate `batches()` in one task while `run_answers()` runs in another."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._stored: list[int] = []
        self._refused: list[int] = []
        self._wake = asyncio.Event()

    def answer(self, stored: Iterable[int] = (), refused: Iterable[int] = ()) -> None:
        """Queue tags: committed ones, and those which could not be stored. Unknown tags are ignored by the host."""
        self._stored.extend(stored)
        self._refused.extend(refused)
        if self._stored or self._refused:
            self._wake.set()

    async def batches(self) -> AsyncIterator[list[pb.Event]]:
        """Yield batches until the stream ends. Raises EngineGone when it breaks."""
        try:
            async for batch in self._call:
                yield list(batch.events)
        except grpc.aio.AioRpcError as error:
            raise EngineGone("engine_gone", (error.details() or "")[:200]) from None
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            raise EngineGone("stream_ended", "the subscription was ended here") from None
        raise EngineGone("stream_ended", "the engine host ended the stream of events")

    async def run_answers(self) -> None:
        """Write queued answers, whatever has gathered in one message, until cancelled. Raises EngineGone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            stored, self._stored = self._stored, []
            refused, self._refused = self._refused, []
            try:
                await self._call.write(pb.EventAck(stored=stored, refused=refused))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                self._call.cancel()  # answers that cannot be written must not look like late ones
                raise EngineGone("stream_ended", type(error).__name__) from None

    def cancel(self) -> None:
        """End the subscription. Unanswered events are sent again to the next one."""
        self._call.cancel()


def being_cancelled() -> bool:
    """Tell a cancellation of the running task from gRPC's, which raises the same when a call is cancelled elsewhere."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
