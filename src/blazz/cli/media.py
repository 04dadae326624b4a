"""`blazz media`: move the files of messages between disk and bucket, and see that all of them are there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blazz.cli.console import fail, guarded, line
from blazz.cli.database import DataDir, database_of, settings_for
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from blazz.kit.db import Tx
    from blazz.media.moving import Moved
    from blazz.media.store import MediaStore

app = typer.Typer(help="Files of messages: move them to another store, verify them.", no_args_is_help=True)
_TOLD_S = 5.0
_SHOWN = 20


@app.command()
def move(
    to: Annotated[str, typer.Option(help="disk, or the bucket: s3://bucket/prefix.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Move all files to the media store from the second one, while Blazz runs. Run it again if it was cut off.

    Every file is read back and compared by SHA-256 before it is removed where it was. Before, every role must write to
    the new store and read from both: BLAZZ_MEDIA_STORE names the new one, BLAZZ_MEDIA_SECOND_STORE the old one.
    """
    guarded(lambda: asyncio.run(_move(settings_for(data_dir), to)))


@app.command()
def verify(
    content: Annotated[bool, typer.Option("--content", help="Read all files and compare their SHA-256.")] = False,
    data_dir: DataDir = None,
) -> None:
    """See that every file that the database names is in the media store, in its size; exit code 1 when one is not."""
    guarded(lambda: _verify(settings_for(data_dir), content=content))


async def _move(settings: Settings, to: str) -> None:
    from blazz.media import moving

    _require_both(settings, to)
    async with _opened(settings) as store:
        source, target = store.second, store.backend
        assert source is not None
        moved = await moving.move(source, target, store.scratch, _telling())
    line(f"Moved {moved.files} file(s), {_megabytes(moved)}, from {source.name} to {target.name}.")
    for key, problem in list(moved.problems.items())[:_SHOWN]:
        line(f"  {key}: {problem}")
    if moved.problems:
        fail(f"{len(moved.problems)} file(s) stayed in {source.name}; BLAZZ_MEDIA_SECOND_STORE must stay set.")
    line("Nothing is left there. Once every role runs without it, BLAZZ_MEDIA_SECOND_STORE may be taken away.")


def _require_both(settings: Settings, to: str) -> None:
    """Raises BlazzError `media_move_settings` with what is to be set, so that no role misses a file meanwhile."""
    from blazz.media.backend import bucket_name

    wanted = "s3" if to.startswith("s3://") else to
    if wanted not in ("disk", "s3"):
        raise BlazzError("media_move_settings", "--to is `disk`, or the bucket as s3://bucket/prefix.")
    other = "disk" if wanted == "s3" else "s3"
    if (settings.media_store, settings.media_second_store) != (wanted, other):
        raise BlazzError(
            "media_move_settings",
            f"First let every role write to {to} and read from both: set BLAZZ_MEDIA_STORE={wanted} and "
            f"BLAZZ_MEDIA_SECOND_STORE={other} everywhere and here, and restart. (With several processes: before that, "
            f"a round with BLAZZ_MEDIA_STORE={other} and BLAZZ_MEDIA_SECOND_STORE={wanted}.) Nothing was moved.",
            409,
        )
    if wanted == "s3" and to.rstrip("/") != bucket_name(settings):
        raise BlazzError(
            "media_move_settings",
            f"The settings name {bucket_name(settings)}, not {to}: change BLAZZ_MEDIA_S3_BUCKET, _PREFIX or --to.",
            409,
        )


def _telling() -> Callable[[Moved], None]:
    """Return what prints a line of progress every few seconds."""
    told = time.monotonic()

    def tell(moved: Moved) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_S:
            told = time.monotonic()
            line(f"  {moved.files} file(s), {_megabytes(moved)}")

    return tell


def _verify(settings: Settings, *, content: bool) -> None:
    from blazz.cli.database import must_exist

    with database_of(settings) as target:
        must_exist(target)
        count, problems = asyncio.run(_verify_on(settings, target, content=content))
    if problems:
        fail(f"{problems} of {count} file(s) are not as they should be. Restore them from a backup of the store.")
    line(f"All {count} file(s) that the database names are there" + (", unaltered." if content else "."))


async def _verify_on(settings: Settings, target: Path | str, *, content: bool) -> tuple[int, int]:
    from blazz.kit.db import Platform, Tx
    from blazz.media.verify import verify_files
    from blazz.migrations import targets

    scope = Platform("blazz media verify")

    async def read(question: Callable[[Tx], Sequence[RowMapping]]) -> Sequence[RowMapping]:
        return await asyncio.to_thread(targets.reading, target, lambda connection: question(Tx(connection, scope)))

    count = problems = 0
    async with _opened(settings) as store:
        async for page in verify_files(read, store, content=content):
            count += len(page)
            for one in page:
                if one.problem:
                    problems += 1
                    if problems <= _SHOWN:
                        line(f"  {one.path}: {one.problem}")
    return count, problems


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[MediaStore]:
    from blazz.media.store import MediaStore

    store = MediaStore.from_settings(settings)
    try:
        yield store
    finally:
        store.close()


def _megabytes(moved: Moved) -> str:
    return f"{moved.bytes / 1e6:.1f} MB"
