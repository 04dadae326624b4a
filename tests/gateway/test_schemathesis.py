"""schemathesis over the whole API, against a real server: no 5xx, and every answer as the document says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from blazz.gateway.app import openapi_document
from tests.support.app import Person, run_app
from tests.support.filled import fill
from tests.support.server import serve

pytestmark = pytest.mark.slow

# A gateway without an instance says so, rightly, with 503.
EXPECTED_503 = "no_instance"
# They would end the session that all the others use.
LEFT_OUT = {"log_out", "change_password"}
EXAMPLES = 40  # per operation: the whole file takes about two minutes on two cores

configuration = schemathesis.Config.from_dict({"generation": {"allow-x00": True}})
schema = schemathesis.openapi.from_dict(openapi_document(), config=configuration)


def no_server_error(context: Any, response: Any, case: Any) -> bool | None:
    """No 5xx but the one that is true here."""
    if response.status_code == 503 and response.json()["code"] == EXPECTED_503:
        return None
    return not_a_server_error(context, response, case)


CHECKS = [no_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@dataclass(frozen=True)
class Served:
    """A running server with a signed-in owner's headers and existing ids."""

    url: str
    headers: dict[str, str]
    ids: dict[str, str]


async def _serve(directory: Path, ready: Future[Served], stop: asyncio.Event) -> None:
    async with run_app(directory) as running, serve(running) as place:
        owner: Person = await running.owner()
        ids = await fill(owner)
        cookies = "; ".join(f"{name}={value}" for name, value in owner.browser.cookies.items())
        headers = {"Cookie": cookies, "X-CSRF-Token": owner.csrf, "X-Workspace": ids["workspace_id"]}
        ready.set_result(Served(f"http://{place}", headers, ids))
        await stop.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("schemathesis")
    ready: Future[Served] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        try:
            loop.run_until_complete(_serve(directory, ready, stop))
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        yield ready.result(60)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


@schema.exclude(operation_id=sorted(LEFT_OUT)).parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_input_breaks_the_api(case: Any, served: Served) -> None:
    if case.method != "DELETE":
        for number, name in enumerate(case.path_parameters or {}):
            if (len(str(case.body)) + number) % 2:  # half of the requests meet something that exists
                case.path_parameters[name] = served.ids.get(name, case.path_parameters[name])
    case.call_and_validate(base_url=served.url, headers=served.headers, checks=CHECKS, timeout=30)
