"""`blazz cluster`: what the Cluster page shows and does, in a terminal, directly on the cluster's database."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from blazz.cli.console import fail, guarded, line
from blazz.cli.options import DataDir
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

if TYPE_CHECKING:
    from blazz.admin import schemas
    from blazz.cluster.operations import Operation, Requester

app = typer.Typer(
    help="The cluster: instances, sessions, moves. Works on the database that BLAZZ_DATABASE_URL names, or on the one "
    "beneath the --data-dir of a running `blazz up --instances N`.",
    no_args_is_help=True,
)
_SCOPE = Platform("an operator looks at the cluster and steers it in a terminal")
_WATCH_S = 2.0
_CLEAR = "\x1b[2J\x1b[H"  # the terminal, and the cursor to its beginning
_POLL_S = 0.5

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Ask for it and return at once.")]
InstanceArgument = Annotated[str, typer.Argument(metavar="INSTANCE", help="Name of the instance.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]


@app.command()
def status(
    data_dir: DataDir = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show instances with their load, alarms, and what is under way."""

    async def work(database: Database, settings: Settings) -> None:
        from blazz.admin import views
        from blazz.cli import cluster_view

        while True:
            seen = await database.read(_SCOPE, views.overview, settings)
            advice = await database.read(_SCOPE, views.advice)
            if as_json:
                content = {**seen.model_dump(mode="json"), "advice": advice.model_dump(mode="json")}
                line(json.dumps(content, indent=None if watch else 1))
            else:
                if watch and sys.stdout.isatty():
                    typer.echo(_CLEAR, nl=False)
                line(cluster_view.overview(seen, advice))
            if not watch:
                return
            await asyncio.sleep(_WATCH_S)

    _on_database(data_dir, work)


@app.command()
def drain(
    instance: InstanceArgument, data_dir: DataDir = None, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Move all sessions away from an instance; it accepts nothing new until it is resumed.

    Exit code 0 when all have moved. Ctrl-C only stops watching; `blazz cluster cancel` stops the drain.
    """
    from blazz.cluster import operations

    _operate(data_dir, lambda tx, settings: operations.drain(tx, instance, _requester()), no_wait, as_json)


@app.command()
def resume(instance: InstanceArgument, data_dir: DataDir = None) -> None:
    """Let a draining instance accept sessions again; its drain is cancelled."""

    async def work(database: Database, settings: Settings) -> None:
        from blazz.cluster import operations

        await database.write(_SCOPE, operations.resume, instance, _requester())
        line(f"{instance} takes sessions again.")

    _on_database(data_dir, work)


@app.command()
def migrate(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Number or id of the workspace.")],
    instance: InstanceArgument,
    data_dir: DataDir = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Move all sessions of a workspace to one instance."""
    from blazz.cluster import operations

    def begin(tx: Tx, settings: Settings) -> Operation:
        return operations.migrate(tx, _workspace(tx, workspace), instance, _requester())

    _operate(data_dir, begin, no_wait, as_json)


@app.command()
def rebalance(
    data_dir: DataDir = None,
    toward_strategy: Annotated[
        bool, typer.Option("--toward-strategy", help="Every workspace goes where the placement strategy would put it.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would move.")] = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Even the instances out, with few moves of whole workspaces."""
    from blazz.cluster import operations

    mode: Literal["even", "toward_strategy"] = "toward_strategy" if toward_strategy else "even"
    if not preview:
        _operate(
            data_dir, lambda tx, settings: operations.rebalance(tx, settings, _requester(), mode), no_wait, as_json
        )
        return

    async def work(database: Database, settings: Settings) -> None:
        from blazz.admin import views
        from blazz.cli import cluster_view

        plan = await database.read(_SCOPE, views.rebalance_preview, settings, mode)
        line(plan.model_dump_json(indent=1) if as_json else "\n".join(cluster_view.preview_lines(plan)))

    _on_database(data_dir, work)


@app.command()
def cancel(
    operation: Annotated[uuid.UUID, typer.Argument(metavar="OPERATION", help="Its id.")], data_dir: DataDir = None
) -> None:
    """Stop an operation; what has moved stays where it is."""

    async def work(database: Database, settings: Settings) -> None:
        from blazz.cluster import operations

        await database.write(_SCOPE, operations.cancel, operation, _requester())
        line("Stopped. What has moved stays where it is; a drained instance accepts nothing until it is resumed.")

    _on_database(data_dir, work)


@app.command("operations")
def list_operations(data_dir: DataDir = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List drains, migrations, rebalances and failovers, newest first: who asked, when, what came of it."""
    from blazz.admin import views
    from blazz.cli import cluster_view

    _list(data_dir, lambda tx: views.operation_page(tx, None, limit), cluster_view.operation_rows, as_json)


@app.command("moves")
def list_moves(
    data_dir: DataDir = None,
    instance: Annotated[str | None, typer.Option(help="Only from or to this instance.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List sessions that got another owner, newest first: why, from where to where, how long each was away."""
    from blazz.admin import views
    from blazz.cli import cluster_view

    _list(data_dir, lambda tx: views.move_page(tx, None, limit, None, instance), cluster_view.move_rows, as_json)


@app.command("queue")
def list_queue(data_dir: DataDir = None, limit: Limit = 200, as_json: AsJson = False) -> None:
    """List sessions that fit nowhere, the longest waiting first, with the reason."""
    from blazz.admin import views
    from blazz.cli import cluster_view

    _list(data_dir, lambda tx: views.queue_page(tx, None, limit), cluster_view.queue_rows, as_json)


@app.command("events")
def list_events(
    data_dir: DataDir = None,
    after: Annotated[int | None, typer.Option(min=0, help="Those behind this position, in order.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens, until Ctrl-C.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Print the platform's log: instances that come and go, moves, alarms."""

    async def work(database: Database, settings: Settings) -> None:
        from blazz.admin import live, views
        from blazz.cli import cluster_view

        def show(event: schemas.PlatformEvent) -> None:
            line(event.model_dump_json() if as_json else cluster_view.event_line(event))

        if after is not None:
            await database.read(_SCOPE, live.read_after, after, 1)
        found = await database.read(_SCOPE, views.events, after, None, limit)
        position = found.head if after is None else after
        for event in found.data if after is not None else reversed(found.data):
            show(event)
            position = event.position
        while follow:
            await asyncio.sleep(_POLL_S)
            for event in (await database.read(_SCOPE, views.events, position, None, 200)).data:
                show(event)
                position = event.position

    _on_database(data_dir, work)


@app.command()
def plan(
    sessions: Annotated[int, typer.Option(help="Numbers that are to be connected at once.")],
    messages_per_day: Annotated[float, typer.Option(help="A session's messages a day, both directions.")] = 100.0,
    media_mb_per_day: Annotated[float, typer.Option(help="A session's media a day.")] = 1.0,
    months: Annotated[int, typer.Option(help="Months of storage.")] = 12,
    instance_capacity: Annotated[int, typer.Option(help="Places an instance, at most 750.")] = 500,
    least_instances: Annotated[int, typer.Option(help="Never fewer instances than this.")] = 4,
    prices: Annotated[Path | None, typer.Option(help="Price table (JSON); BLAZZ_PRICE_TABLE.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many instances a number of sessions needs, and what they cost a month. Needs no installation.

    By our own measured figures, with N-1 and 20 % spare, beside the original's claims.
    """

    def work() -> None:
        from blazz.admin.plan_schemas import CapacityPlan
        from blazz.cluster import planner
        from blazz.cluster.planner.data import price_table

        request = planner.Request(
            sessions, messages_per_day, media_mb_per_day, months, instance_capacity, least_instances
        )
        made = planner.plan(request, price_table(prices or Settings().price_table))
        line(CapacityPlan.model_validate(made).model_dump_json(indent=1) if as_json else planner.render(made))

    _told(work)


def _operate(data_dir: Path | None, begin: Callable[[Tx, Settings], Operation], no_wait: bool, as_json: bool) -> None:
    """Ask for an operation and follow it to its end; exit code 1 when it was stopped or failed."""

    async def work(database: Database, settings: Settings) -> None:
        from blazz.admin import views

        asked = await database.write(_SCOPE, begin, settings)
        shown = await database.read(_SCOPE, views.operation, asked.id)
        _progress(shown, as_json)
        try:
            while shown.state == "running" and not no_wait:
                await asyncio.sleep(_POLL_S)
                now = await database.read(_SCOPE, views.operation, asked.id)
                if (now.moved, now.waiting, now.state) != (shown.moved, shown.waiting, shown.state):
                    _progress(now, as_json)
                shown = now
        except asyncio.CancelledError:
            typer.echo(f"It goes on without us. Stop it with: blazz cluster cancel {asked.id}", err=True)
            raise
        if shown.state in ("cancelled", "failed"):
            raise typer.Exit(1)

    _on_database(data_dir, work)


def _progress(one: schemas.Operation, as_json: bool) -> None:
    from blazz.cli import cluster_view

    line(one.model_dump_json() if as_json else cluster_view.operation(one))


def _list(
    data_dir: Path | None, read: Callable[[Tx], list[Any]], lines: Callable[[list[Any]], list[str]], as_json: bool
) -> None:
    async def work(database: Database, settings: Settings) -> None:
        rows = await database.read(_SCOPE, read)
        if as_json:
            line(json.dumps([row.model_dump(mode="json") for row in rows], indent=1))
        else:
            line("\n".join(lines(rows)) if rows else "None.")

    _on_database(data_dir, work)


def _on_database(data_dir: Path | None, work: Callable[[Database, Settings], Awaitable[None]]) -> None:
    from blazz.cli.cluster_database import run

    _told(lambda: run(data_dir, work))


def _told(work: Callable[[], object]) -> None:
    """As `guarded`, with every wrong field of a refusal."""

    def tried() -> None:
        try:
            work()
        except BlazzError as error:
            _refused(error)

    guarded(tried)


def _refused(error: BlazzError) -> NoReturn:
    further = [f"  {wrong.field}: {wrong.message}" for wrong in error.errors] if len(error.errors) > 1 else []
    fail("\n".join([error.detail, *further]))


def _requester() -> Requester:
    from blazz.cluster.operations import Requester

    return Requester(None, "cli")


def _workspace(tx: Tx, text: str) -> uuid.UUID:
    from blazz.workspaces import service as workspaces

    if text.isascii() and text.isdigit() and len(text) < 10:
        return workspaces.id_of_number(tx, int(text))
    try:
        return uuid.UUID(text)
    except ValueError:
        raise BlazzError("invalid_workspace", f"{text} is neither the number nor the id of a workspace.", 422) from None
