"""The child process: takes one order on its standard input, tells progress and outcome on its standard output."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from typing import Any

import av.logging

from blazz.media.processing import audio, images, probing, video
from blazz.media.processing.orders import MEMORY_BYTES, TIME_LIMIT_S, Made, Order, Unusable

_WORK = {
    "probe": probing.probe,
    "image": images.image,
    "sticker": images.sticker,
    "video": video.video,
    "gif": video.gif,
    "note": video.note,
    "audio": audio.audio,
    "voice": audio.voice,
}
_MAX_FILE = 512 * 1024 * 1024  # bytes of what is made
_NICENESS = 10


def main() -> None:
    """Do one order and end. Ends at once when the parent is gone."""
    order = Order.from_json(json.loads(sys.stdin.readline()))
    _bound(order)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    av.logging.set_level(av.logging.PANIC)
    try:
        _tell({"made": _made(order).to_json()})
    except Unusable as error:
        _tell({"unusable": str(error)})
    except MemoryError:
        _tell({"unusable": "The file needs too much memory to be opened."})
    except OSError as error:
        _tell({"failed": type(error).__name__})


def _made(order: Order) -> Made:
    told = -1

    def progress(share: float) -> None:
        nonlocal told
        percent = int(share * 100)
        if percent > told:
            told = percent
            _tell({"progress": percent})

    return _WORK[order.task](order, progress)


def _bound(order: Order) -> None:
    os.nice(_NICENESS)
    cpu_s = int(TIME_LIMIT_S[order.task]) * 2
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _MAX_FILE),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
