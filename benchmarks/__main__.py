"""`python -m benchmarks NAME [--json]`: run one benchmark, or all of them when no name is given."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys

import uvloop

NAMES = (
    *("qr", "memory", "restart", "send", "receive", "api", "history", "groups", "kinds", "media"),
    *("placement", "storage", "routing", "failover", "drain", "scale"),
)


def main() -> int:
    """Run what the command line asks for; the last line printed is the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="all of them when left out")
    parser.add_argument("--json", action="store_true", help="print nothing but the final JSON object")
    parser.add_argument("--sessions", type=int, help="sessions to use instead of the benchmark's own number")
    parser.add_argument("--repetitions", type=int, default=3, help="interleaved repetitions (default 3)")
    parser.add_argument("--instances", type=int, help="instances of a cluster instead of the benchmark's own number")
    parser.add_argument("--kills", type=int, default=20, help="kills of each kind for `failover` (default 20)")
    parser.add_argument("--messages", type=int, default=20, help="messages of each session for `scale` (default 20)")
    parser.add_argument("--megabytes", type=int, default=1024, help="bytes of `media` in all, in MB (default 1024)")
    parser.add_argument(
        "--fsync-ms", type=int, default=0, help="`send` and `receive`: session stores on storage this much slower"
    )
    options = parser.parse_args()
    results = {}
    for name in [options.name] if options.name else NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results[name] = runner.run(module.run(options))
    print(json.dumps(results if options.name is None else results[options.name]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
