"""`blazz db`: bring the schema up to date, compare it, verify what is stored, copy it to a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from blazz import __version__
from blazz.cli.console import fail, guarded, line
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

app = typer.Typer(
    help="The database: upgrade the schema, compare it, verify what is stored, copy it to a server.",
    no_args_is_help=True,
)
DataDir = Annotated[Path | None, typer.Option(help="The data directory.", envvar="BLAZZ_DATA_DIR", show_default=False)]


def settings_for(data_dir: Path | None) -> Settings:
    """Return the settings, with the data directory replaced when one is given."""
    settings = Settings()
    return settings.model_copy(update={"data_dir": data_dir}) if data_dir is not None else settings


@contextlib.contextmanager
def database_of(settings: Settings) -> Iterator[Path | str]:
    """Name the database that the settings mean: a server by BLAZZ_DATABASE_URL, the private one, or the SQLite file.

    A private PostgreSQL is used where it runs, else it runs until the end of the block. Raises BlazzError.
    """
    private = settings.data_dir / "postgres"
    if settings.database_url is not None:
        yield settings.database_url
    elif (private / "data").is_dir():
        with _private_server(private) as url:
            yield url
    else:
        yield settings.database_path


@contextlib.contextmanager
def _private_server(directory: Path) -> Iterator[str]:
    from anyio.from_thread import start_blocking_portal

    from blazz.kit.postgres import PrivatePostgres

    with start_blocking_portal() as portal:
        try:
            server = portal.call(PrivatePostgres.start, directory)
        except BlazzError as error:
            running = PrivatePostgres.address(directory)
            if error.code != "database_in_use" or running is None:
                raise
            yield running
            return
        try:
            yield server.url
        finally:
            portal.call(server.stop)


@app.command()
def upgrade(
    data_dir: DataDir = None,
    force: Annotated[
        bool, typer.Option("--force", help="Upgrade although processes that need the present schema run.")
    ] = False,
) -> None:
    """Create the database or bring its schema to this version. `blazz up` does the same at its start.

    Processes of other versions that run on the database are named. They go on, except when the new schema has lost
    what they use: then nothing is done without --force.
    """
    guarded(lambda: _upgrade(settings_for(data_dir), force=force))


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Compare the schema with what this version expects; exit code 1 when they differ."""
    guarded(lambda: _check(settings_for(data_dir)))


@app.command()
def verify(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look for what must not be: schema, orphans, assignments, event logs, session stores; exit code 1 if found.

    Reads only, and may run beside everything else. Says for every finding what to do.
    """
    guarded(lambda: _verify(settings_for(data_dir), as_json=as_json))


@app.command()
def copy(
    to: Annotated[str, typer.Option(help="Address of an empty database, or: private.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Copy the whole SQLite installation to a database server, compare every row, and go on there. Stop Blazz first.

    `--to private` moves it to the private PostgreSQL of `blazz up --instances`. The SQLite file stays as it is and is
    not started any more. If it was cut off, run it again: it begins anew.
    """
    guarded(lambda: _copy(settings_for(data_dir), to))


def _copy(settings: Settings, to: str) -> None:
    from blazz.cli.fleet.mode import set_mode
    from blazz.migrations import copying, targets

    must_exist(settings.database_path)
    private = to == "private"
    with _private_server(settings.data_dir / "postgres") if private else contextlib.nullcontext(to) as target:
        rows = copying.copy(
            settings.database_path,
            target,
            lambda table, count: line(f"  {table}: {count}") if count else None,
            before_end=lambda: set_mode(settings.data_dir, "instances" if private else "moved"),
        )
        line(f"{rows} rows are in {targets.name(target)}, the same as in {settings.database_path}.")
    if private:
        line("Start it with: blazz up --instances 2 (or more).")
        return
    line("Session stores, files and the secret key stay where they are. For every role set:")
    line("  BLAZZ_DATABASE_URL to that address")
    line(f"  BLAZZ_SESSIONS_DIR={settings.sessions_dir.absolute()}")
    if settings.media_store == "disk":
        line(f"  BLAZZ_MEDIA_DIR={settings.media_dir.absolute()}")
    if not settings.secret_key:
        line(f"  BLAZZ_SECRET_KEY to the content of {(settings.data_dir / 'secret.key').absolute()}")


def _upgrade(settings: Settings, *, force: bool) -> None:
    from blazz import migrations
    from blazz.migrations import targets

    with database_of(settings) as target:
        name = targets.name(target)
        if not isinstance(target, Path):  # a SQLite file has one process, and its lock says whether it runs
            plan = migrations.pending(target)
            others = _other_versions(target) if plan.steps and plan.found else []
            for other in others:
                line(f"  still running: {other}")
            if plan.contracts and others and not force:
                raise BlazzError(
                    "older_roles_alive",
                    f"{', '.join(plan.contracts)} take(s) away what the processes above use. Stop or upgrade them "
                    "first, or repeat with --force; nothing was changed.",
                    409,
                )
        migrations.upgrade(target)
        line(f"{name}: schema is up to date.")


def _other_versions(target: Path | str) -> list[str]:
    """Return one line per process of another version that was heard of lately."""
    from blazz.cluster.service import live_roles
    from blazz.kit.db import Platform, Tx
    from blazz.migrations import targets

    try:
        roles = targets.reading(target, lambda connection: live_roles(Tx(connection, Platform("blazz db upgrade"))))
    except (BlazzError, DBAPIError):
        return ["perhaps processes of a version so old that they cannot be listed"]
    return [
        f"{role.role} {role.id} on {role.host} (process {role.pid}), version {role.version}"
        for role in roles
        if role.version != __version__
    ]


def _check(settings: Settings) -> None:
    from blazz import migrations
    from blazz.migrations import targets

    with database_of(settings) as target:
        name = targets.name(target)
        must_exist(target)
        try:
            differences = migrations.check(target)
        except DBAPIError as error:
            fail(f"{name} cannot be read ({error.orig}). Restore the last backup.")
        for difference in differences:
            line(f"  {difference}")
        if differences:
            fail(f"{name}: {len(differences)} difference(s). Run: blazz db upgrade")
        line(f"{name}: schema matches this version.")


def _verify(settings: Settings, *, as_json: bool) -> None:
    from blazz.cli import verify as checks
    from blazz.migrations import targets

    with database_of(settings) as target:
        name = targets.name(target)
        must_exist(target)
        try:
            found = checks.findings(target, settings.sessions_dir, in_database=settings.session_store == "database")
        except DBAPIError as error:
            fail(f"{name} cannot be read ({error.orig}). Restore the last backup.")
    checks.report(found, name, as_json=as_json)
    if found:
        fail(f"{name}: {len(found)} finding(s).")


def must_exist(target: Path | str) -> None:
    """End the command when the SQLite file is not there."""
    if isinstance(target, Path) and not target.exists():
        fail(f"{target} does not exist. Create it with: blazz db upgrade")
