"""The internal port of an instance: what it takes, from whom, what it tells without being asked by one of us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blazz.cluster.commands import QrView
from blazz.instance.server import InternalServer
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.signing import Answer, Call, Receiver, call_signed, sign_call
from blazz.kit.time import utc_now, wall_clock_ms
from tests.support.certificates import Authority
from tests.support.internal import KEYS, RunningInstance, Stand, stand
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path) as made:
        yield made


@pytest.fixture
async def instance(built: Stand) -> RunningInstance:
    return await built.instance("instance-0", generation=3)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def ask(
    http: httpx.AsyncClient, instance: RunningInstance, path: str, body: Any = None, receiver: Receiver | None = None
) -> Answer:
    """Make a signed call."""
    request = http.build_request("POST", f"{instance.server.url}/internal/v1{path}", json=body or {})
    return await call_signed(http, KEYS, receiver or instance.receiver, request)


async def test_health_is_told_to_everybody(built: Stand, instance: RunningInstance, http: httpx.AsyncClient) -> None:
    instance.engine_pid = os.getpid()
    instance.epochs = {uuid.uuid4(): 1, uuid.uuid4(): 1}
    answer = await http.get(f"{instance.server.url}/health")
    assert answer.status_code == 200
    report = answer.json()
    assert (report["status"], report["instance"], report["generation"]) == ("healthy", "instance-0", 3)
    assert report["sessions"] == {"total": 2, "capacity": 10, "utilization": 0.2}
    assert report["memory"]["rss"] > 20_000_000
    assert 0 <= report["uptime"] < 60
    assert (report["engine"], report["lease_valid"], report["clock_skew_s"]) == ("up", True, None)
    instance.capacity = 2
    assert (await http.get(f"{instance.server.url}/health")).json()["status"] == "at_capacity"
    instance.draining = True
    answer = await http.get(f"{instance.server.url}/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "draining")


async def test_an_instance_that_cannot_serve_says_so_with_its_status(
    instance: RunningInstance, http: httpx.AsyncClient
) -> None:
    answer = await http.get(f"{instance.server.url}/health")
    assert (answer.status_code, answer.json()["engine"]) == (503, "down")
    instance.engine_pid, instance.lease_valid = os.getpid(), False
    assert (await http.get(f"{instance.server.url}/health")).status_code == 503


async def test_a_skew_of_a_refused_caller_is_shown_in_the_health(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as shifted:
        shifted.setattr("blazz.kit.signing.calls.wall_clock_ms", lambda: wall_clock_ms() - 3_600_000)
        answer = await ask(http, instance, f"/sessions/{uuid.uuid4()}/qr")
    assert (answer.status, answer.content["code"]) == (401, "signature_expired")
    assert answer.content["skew_s"] == pytest.approx(-3600, abs=2)
    assert (await http.get(f"{instance.server.url}/health")).json()["clock_skew_s"] == pytest.approx(-3600, abs=2)


@pytest.mark.parametrize(
    "path", ["/internal/v1/sessions/1/qr", "/internal/v1/nothing", "/docs", "/api/v1/accounts", "/"]
)
async def test_nothing_else_is_told_to_strangers(instance: RunningInstance, http: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await http.request(method, instance.server.url + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_missing")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_figures_are_there_for_a_scraper(instance: RunningInstance, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{instance.server.url}/metrics")
    assert (answer.status_code, "blazz_http_requests" in answer.text) == (200, True)


async def test_a_call_recorded_on_the_wire_is_of_no_use(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient
) -> None:
    account_id = await built.assign("instance-0", generation=3)
    path = f"/internal/v1/sessions/{account_id}/disconnect"
    headers = {
        **sign_call(KEYS, Call("POST", path.encode(), b"", b"{}"), instance.receiver).headers,
        "Content-Type": "application/json",
    }

    async def replay(path: str = path, body: bytes = b"{}", method: str = "POST") -> str:
        answer = await http.request(method, instance.server.url + path, content=body, headers=headers)
        return str(answer.json().get("code", "done"))

    assert await replay() == "done"
    assert await replay() == "nonce_reused"
    assert await replay(body=b'{"epoch":1}') == "signature_wrong"
    assert await replay(path.replace("disconnect", "log_out")) == "signature_wrong"
    assert await replay(path + "?x=1") == "signature_wrong"
    assert await replay(method="PUT") == "signature_wrong"
    assert instance.sessions.asked == [("disconnect", account_id)]
    # a restart forgets nonces, and has another generation
    await instance.server.stop()
    instance = await built.instance("instance-0", generation=4)
    assert await replay() == "wrong_receiver"
    assert not instance.sessions.asked


async def test_a_session_of_somebody_else_is_answered_with_its_epoch(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient
) -> None:
    await built.register("instance-1", "http://127.0.0.1:1")
    elsewhere = await built.assign("instance-1", epoch=5)
    earlier = await built.assign("instance-0", generation=2, epoch=6)  # an earlier start of ours
    for account_id, epoch in ((elsewhere, 5), (earlier, 6), (uuid.uuid4(), None)):
        for command in ("connect", "disconnect", "log_out", "qr"):
            answer = await ask(http, instance, f"/sessions/{account_id}/{command}")
            assert (answer.status, answer.content["code"]) == (409, "not_owner")
            assert (answer.content["epoch"], answer.content["generation"]) == (epoch, 3)
    assert not instance.sessions.asked


async def test_what_only_looks_needs_no_database_when_caller_and_instance_agree(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await built.assign("instance-0", generation=3)
    instance.epochs[account_id] = 4
    instance.sessions.shown = QrView("2@code", 1, utc_now())

    async def away(*args: object) -> object:
        raise BlazzError("database_unavailable", "Away.", 503)

    monkeypatch.setattr(built.database, "read", away)
    answer = await ask(http, instance, f"/sessions/{account_id}/qr", {"epoch": 4})
    assert answer.content["qr"]["code"] == "2@code"
    for command, epoch in (("qr", 3), ("qr", 5), ("connect", 4)):
        answer = await ask(http, instance, f"/sessions/{account_id}/{command}", {"epoch": epoch})
        assert (answer.status, answer.content["code"]) == (503, "database_unavailable")


async def test_fields_of_a_newer_version_are_ignored(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient
) -> None:
    account_id = await built.assign("instance-0", generation=3)
    answer = await ask(http, instance, f"/sessions/{account_id}/connect", {"use_qr": False, "from_the_future": [1]})
    assert (answer.status, answer.content) == (200, {})
    assert instance.sessions.asked == [("connect", account_id, False)]
    answer = await ask(http, instance, f"/sessions/{account_id}/typing", {"address": "x", "state": "thinking"})
    assert (answer.status, answer.content["code"]) == (422, "invalid_request")


async def test_a_defect_is_answered_without_its_inside_and_signed(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient
) -> None:
    account_id = await built.assign("instance-0", generation=3)
    instance.sessions.failure = RuntimeError("secret")  # type: ignore[assignment]
    answer = await ask(http, instance, f"/sessions/{account_id}/connect")
    assert (answer.status, answer.content["code"]) == (500, "internal_error")
    assert "secret" not in str(answer.content)


async def test_a_command_that_takes_too_long_is_given_up(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await built.assign("instance-0", generation=3)
    monkeypatch.setattr("blazz.kit.signing.server._ANSWER_S", 0.1)

    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(instance.sessions, "disconnect", never)
    answer = await ask(http, instance, f"/sessions/{account_id}/disconnect")
    assert (answer.status, answer.content["code"]) == (503, "instance_busy")


async def test_a_caller_that_sends_no_body_to_its_end_does_not_hold_the_instance(
    instance: RunningInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blazz.kit.signing.server._BODY_S", 0.1)
    port = int(instance.server.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /internal/v1/sessions/1/qr HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()


async def test_tls_with_an_authority_of_our_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("instance")
    settings: dict[str, Any] = {
        "internal_tls_cert": pair.cert,
        "internal_tls_key": pair.key,
        "internal_tls_ca": authority.cert,
    }
    async with stand(tmp_path, **settings) as built:
        instance = await built.instance("instance-0")
        assert instance.server.url.startswith("https://127.0.0.1:")
        account_id = await built.assign("instance-0")
        await built.commands.connect(account_id)
        assert instance.sessions.asked == [("connect", account_id, True)]
        # neither without a certificate nor in plain text
        async with httpx.AsyncClient(verify=False, trust_env=False) as stranger:
            for url in (instance.server.url, instance.server.url.replace("https", "http")):
                with pytest.raises(httpx.TransportError):
                    await stranger.get(f"{url}/health")
        began = time.monotonic()
        await instance.server.stop()
        assert time.monotonic() - began < 2, "the gateway's idle connection holds nobody up"


async def closed(url: str) -> bool:
    """Whether nothing listens there any more."""
    try:
        async with httpx.AsyncClient(trust_env=False) as late:
            await late.get(f"{url}/health")
    except httpx.TransportError:
        return True
    return False


async def test_a_command_under_way_is_finished_before_the_port_closes(
    built: Stand, instance: RunningInstance, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await built.assign("instance-0", generation=3)
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*args: object) -> None:
        began.set()
        await go_on.wait()

    monkeypatch.setattr(instance.sessions, "disconnect", slow)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(ask(http, instance, f"/sessions/{account_id}/disconnect"))
        await began.wait()
        stop = group.create_task(instance.server.stop())
        await eventually(lambda: closed(instance.server.url), what="nobody new is let in")
        assert not stop.done()
        go_on.set()
    assert call.result().status == 200


async def test_an_instance_of_a_foreign_authority_is_not_believed(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    pair, forged = ours.issue("gateway"), theirs.issue("forged")
    async with stand(
        tmp_path, internal_tls_cert=pair.cert, internal_tls_key=pair.key, internal_tls_ca=ours.cert
    ) as built:
        built.settings = built.settings.model_copy(
            update={"internal_tls_cert": forged.cert, "internal_tls_key": forged.key, "internal_tls_ca": theirs.cert}
        )
        await built.instance("instance-0")
        with pytest.raises(BlazzError) as caught:
            await built.commands.connect(await built.assign("instance-0"))
        assert (caught.value.code, caught.value.status) == ("owner_unreachable", 503)


def bound(**settings: Any) -> str:
    """The address under which an instance with these settings is reached; the port is given back."""
    server = InternalServer(Settings.model_construct(**settings), KEYS)
    try:
        return server.bind()
    finally:
        asyncio.run(server.stop())


def test_the_address_that_others_use(tmp_path: Path) -> None:
    assert bound().startswith("http://127.0.0.1:")
    assert bound(internal_host="0.0.0.0", internal_url="https://node-1:7443/") == "https://node-1:7443"
    with pytest.raises(BlazzError) as caught:
        bound(internal_host="0.0.0.0")
    assert caught.value.code == "internal_url_missing"
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken, pytest.raises(BlazzError) as caught:
        bound(internal_port=taken.getsockname()[1])
    assert caught.value.code == "port_taken"
    for wrong in ({"internal_tls_cert": tmp_path / "no.pem"}, {"internal_tls_ca": tmp_path / "no.pem"}):
        with pytest.raises(BlazzError) as caught:
            bound(**wrong)
        assert caught.value.code == "internal_tls_wrong"
