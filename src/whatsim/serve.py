"""Run the simulated network with its control API as one process, until a signal or the parent's end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whatsim.control import ControlServer, create_app
from whatsim.network import Network, NetworkConfig
from whatsim.trace import TraceFile, Watch


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve. Port 0 picks a free port; `parent_stdin` ends the process when its standard input closes.

    `trace` is a file to record every stanza in, `trace_contents` adds keys and bodies to it.
    """

    state_dir: Path
    host: str = "127.0.0.1"
    port: int = 7070
    wire_port: int = 7071
    allow_paths: Path | None = None
    parent_stdin: bool = False
    trace: Path | None = None
    trace_contents: bool = False


def ready_line(network: Network, control_url: str) -> str:
    """Return the line (JSON, no line end) that tells a parent process where everything is."""
    return json.dumps(
        {
            "ready": True,
            "pid": os.getpid(),
            "control": control_url,
            "wire": network.wire_address,
            "network_id": network.network_id,
            "ca": str(network.ca_path),
            "root_key": str(network.root_key_path),
        }
    )


async def serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGINT or (if asked for) the end of standard input; `announce` gets the ready line.

    Raises OSError when a port or the state directory cannot be used, ValueError for a host beyond loopback.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.parent_stdin:
        _stop_with_parent(loop, stop)
    resources = contextlib.ExitStack()
    network = await Network.open(NetworkConfig(options.state_dir, options.host, options.wire_port))
    try:
        if options.trace is not None:
            record = resources.enter_context(TraceFile(options.trace))
            network.watch_stanzas(Watch(record.write, options.trace_contents))
        app = create_app(network, allow_paths=options.allow_paths)
        async with ControlServer(app, options.host, options.port) as server:
            announce(ready_line(network, server.url))
            await stop.wait()
    finally:
        await network.close()
        resources.close()


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` once standard input is at its end; a parent that dies closes it without being able to say goodbye."""
    descriptor = sys.stdin.fileno()

    def read() -> None:
        try:
            ended = not os.read(descriptor, 4096)
        except OSError:
            ended = True
        if ended:
            loop.remove_reader(descriptor)
            stop.set()

    try:
        loop.add_reader(descriptor, read)
    except (OSError, ValueError):
        # A regular file or /dev/null cannot be waited for: there is no parent that holds it open.
        stop.set()


def run(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Like `serve`, in an event loop of its own (uvloop where it is installed)."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(options, announce))
