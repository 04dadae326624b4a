"""A bare route that answers given bytes: the same web framework and server as the product, nothing behind it."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.stand import Child


@contextlib.asynccontextmanager
async def bare_route(bodies: list[bytes]) -> AsyncIterator[str]:
    """Serve `bodies[i]` at `/{i}` from a process of its own; yields its address."""
    with tempfile.TemporaryDirectory(prefix="blazz-bare-route-") as name:
        for index, body in enumerate(bodies):
            (Path(name) / str(index)).write_bytes(body)
        child = Child([sys.executable, "-m", "benchmarks.bare_route", name])
        said = await child.start()
        try:
            yield str(said["url"])
        finally:
            await child.stop()


def main(directory: str) -> None:
    """Run the server until its parent ends it."""
    import asyncio
    import socket

    import uvicorn
    import uvloop
    from fastapi import FastAPI, Response

    contents = {path.name: path.read_bytes() for path in Path(directory).iterdir()}
    app = FastAPI()

    @app.get("/{name}")
    async def answer(name: str) -> Response:
        return Response(contents[name], media_type="application/json")

    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"ready": True, "url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main(sys.argv[1])
