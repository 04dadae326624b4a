"""Signed calls between processes: what a receiver refuses, with which cause, and what a caller believes."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from blazz.kit import time as clocks
from blazz.kit.errors import BlazzError
from blazz.kit.metrics import REGISTRY
from blazz.kit.settings import Settings
from blazz.kit.signing import (
    Answer,
    Call,
    InternalKeys,
    NonceMemory,
    Receiver,
    SignedCalls,
    Verifier,
    call_signed,
    internal_keys,
    sign_call,
)
from blazz.kit.signing.calls import _joined

KEYS = InternalKeys(b"k" * 32)
ME = Receiver("instance-0", 7)
CALL = Call("POST", b"/internal/v1/sessions/1/typing", b"a=1", b'{"state":"composing"}')
HOUR_S = 3600.0


def refused(cause: str) -> float:
    return REGISTRY.get_sample_value("blazz_internal_calls_refused_total", {"cause": cause}) or 0.0


def cause_of(verifier: Verifier, call: Call, headers: dict[str, str]) -> str:
    """The cause for which a call is refused; it must be counted under it."""
    with pytest.raises(BlazzError) as caught:
        verifier.check(call, httpx.Headers(headers))
    return caught.value.code


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves this process's wall clock by seconds."""

    def move(seconds: float) -> None:
        monkeypatch.setattr(clocks, "_offset_s", lambda: seconds)

    return move


def test_a_call_is_accepted_once() -> None:
    verifier = Verifier(KEYS, ME)
    headers = sign_call(KEYS, CALL, ME).headers
    before = refused("nonce_reused")
    assert verifier.check(CALL, httpx.Headers(headers)).receiver == ME
    assert cause_of(verifier, CALL, headers) == "nonce_reused"
    assert refused("nonce_reused") == before + 1
    assert cause_of(verifier, CALL, {}) == "signature_missing"


@pytest.mark.parametrize(
    "changed",
    [
        replace(CALL, method="GET"),
        replace(CALL, path=CALL.path + b"x"),
        replace(CALL, query=b"a=2"),
        replace(CALL, query=b""),
        replace(CALL, body=CALL.body + b" "),
        # the same bytes, divided differently
        replace(CALL, path=CALL.path + b"a", query=b"=1"),
    ],
)
def test_a_call_that_was_changed_on_the_way_is_refused(changed: Call) -> None:
    headers = sign_call(KEYS, CALL, ME).headers
    assert cause_of(Verifier(KEYS, ME), changed, headers) == "signature_wrong"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Blazz-Time", "1"),
        ("X-Blazz-Time", "-1"),
        ("X-Blazz-Nonce", "0" * 32),
        ("X-Blazz-Nonce", "0" * 31),
        ("X-Blazz-Receiver", "instance-1"),
        ("X-Blazz-Generation", "8"),
        ("X-Blazz-Generation", "07"),
        ("X-Blazz-Signature", "0" * 64),
        ("X-Blazz-Signature", "A" * 64),
    ],
)
def test_what_travels_beside_the_call_is_signed_too(header: str, value: str) -> None:
    headers = {**sign_call(KEYS, CALL, ME).headers, header: value}
    assert cause_of(Verifier(KEYS, ME), CALL, headers) == "signature_wrong"


def test_a_call_to_an_earlier_start_or_another_instance_is_refused() -> None:
    headers = sign_call(KEYS, CALL, ME).headers
    assert cause_of(Verifier(KEYS, Receiver(ME.id, ME.generation + 1)), CALL, headers) == "wrong_receiver"
    assert cause_of(Verifier(KEYS, Receiver("instance-1", ME.generation)), CALL, headers) == "wrong_receiver"
    Verifier(KEYS, ME).check(CALL, httpx.Headers(headers))


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S, 301.0, -301.0])
def test_a_clock_that_is_wrong_is_refused_and_the_skew_is_shown(seconds: float, shift: Callable[[float], None]) -> None:
    verifier = Verifier(KEYS, ME)
    shift(seconds)
    headers = sign_call(KEYS, CALL, ME).headers
    shift(0.0)
    with pytest.raises(BlazzError) as caught:
        verifier.check(CALL, httpx.Headers(headers))
    assert caught.value.code == "signature_expired"
    assert f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}" in caught.value.detail
    assert verifier.last_skew_s == pytest.approx(seconds, abs=2)
    assert REGISTRY.get_sample_value("blazz_internal_clock_skew_seconds") == pytest.approx(seconds, abs=2)
    shift(seconds)  # both clocks wrong by the same is no trouble
    verifier.check(CALL, httpx.Headers(headers))


def test_a_clock_that_differs_by_less_than_five_minutes_is_no_trouble(shift: Callable[[float], None]) -> None:
    for seconds in (290.0, -290.0):
        shift(seconds)
        headers = sign_call(KEYS, CALL, ME).headers
        shift(0.0)
        Verifier(KEYS, ME).check(CALL, httpx.Headers(headers))


def test_keys_can_be_changed_without_a_refused_call() -> None:
    old, new = b"o" * 32, b"n" * 32
    steps = [InternalKeys(old), InternalKeys(old, new), InternalKeys(new, old), InternalKeys(new)]
    for before, after in itertools.pairwise(steps):
        for caller, receiver in ((before, after), (after, before)):
            Verifier(receiver, ME).check(CALL, httpx.Headers(sign_call(caller, CALL, ME).headers))
    headers = sign_call(InternalKeys(old), CALL, ME).headers
    assert cause_of(Verifier(InternalKeys(new), ME), CALL, headers) == "signature_wrong"


def test_keys_come_from_the_settings_or_the_installations_secret() -> None:
    given = base64.b64encode(b"g" * 32).decode()
    assert internal_keys(Settings.model_construct(internal_key=given), b"s" * 32).current == b"g" * 32
    derived = internal_keys(Settings.model_construct(), b"s" * 32)
    assert derived.current == internal_keys(Settings.model_construct(), b"s" * 32).current
    assert derived.current not in (b"s" * 32, internal_keys(Settings.model_construct(), b"t" * 32).current)
    assert "g" * 8 not in repr(InternalKeys(b"g" * 32))
    for wrong in ("short", base64.b64encode(b"g" * 31).decode(), "?" * 44):
        with pytest.raises(BlazzError, match="BLAZZ_INTERNAL_KEY must be 32 bytes"):
            internal_keys(Settings.model_construct(internal_key=wrong), b"s" * 32)


def test_the_memory_of_nonces_is_bounded_and_refuses_rather_than_forgets() -> None:
    memory, now = NonceMemory(limit=3), 1_800_000_000_000
    nonces = [f"{number:032x}" for number in range(9)]
    assert [memory.use(nonce, now, now) for nonce in nonces[:4]] == ["fresh", "fresh", "fresh", "full"]
    assert memory.use(nonces[0], now, now) == "reused"
    assert memory.use(nonces[3], now + 299_000, now + 299_000) == "full", "the three can still be repeated"
    later = now + 320_000
    assert memory.use(nonces[3], later, later) == "fresh"
    assert len(memory) == 1
    assert memory.use(nonces[0], now, later) == "forgotten", "not even if our clock is set back into their window"


def test_a_clock_put_right_by_an_hour_refuses_nobody_and_repeats_nothing() -> None:
    memory, right = NonceMemory(), 1_800_000_000_000
    wrong = right + 3_600_000
    assert memory.use("a" * 32, right, right) == "fresh"
    assert memory.use("b" * 32, wrong, wrong) == "fresh"
    assert memory.use("c" * 32, wrong + 900_000, wrong + 900_000) == "fresh"
    assert memory.use("d" * 32, right + 900_000, right + 900_000) == "fresh"
    assert memory.use("b" * 32, wrong, wrong) == "reused"
    assert memory.use("a" * 32, right, right) == "reused"


def test_a_full_memory_has_a_cause_of_its_own() -> None:
    verifier = Verifier(KEYS, ME, NonceMemory(limit=1))
    verifier.check(CALL, httpx.Headers(sign_call(KEYS, CALL, ME).headers))
    assert cause_of(verifier, CALL, sign_call(KEYS, CALL, ME).headers) == "nonce_memory_full"


def test_strangers_cannot_fill_the_memory_of_nonces() -> None:
    verifier = Verifier(KEYS, ME, NonceMemory(limit=1))
    for _ in range(5):
        forged = sign_call(InternalKeys(b"x" * 32), CALL, ME).headers
        assert cause_of(verifier, CALL, forged) == "signature_wrong"
    verifier.check(CALL, httpx.Headers(sign_call(KEYS, CALL, ME).headers))


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_no_two_calls_have_the_same_canonical_form(one: list[bytes], other: list[bytes]) -> None:
    assert (_joined(*one) == _joined(*other)) == (one == other)


def test_a_shifted_clock_is_refused_outside_test_mode(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside test mode"):
        clocks.clock_offset("3600", test_mode=False)
    assert clocks.clock_offset("-3600", test_mode=True)() == -HOUR_S
    (tmp_path / "offset").write_text("3600")
    assert clocks.clock_offset(f"@{tmp_path / 'offset'}", test_mode=True)() == HOUR_S


# -- both ends, over HTTP -------------------------------------------------------------------------------------------


class Echo:
    """Answers with what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        await PlainTextResponse('"done"', media_type="application/json")(scope, receive, send)


class Changing(httpx.AsyncBaseTransport):
    """A way to the application on which answers are changed."""

    def __init__(self, app: Any, **change: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self._change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        content = self._change.get("content", b"".join([part async for part in answer.aiter_raw()]))
        headers = [pair for pair in answer.headers.raw if pair[0].lower() != b"content-length"]
        return httpx.Response(
            self._change.get("status", answer.status_code), headers=headers, stream=httpx.ByteStream(content)
        )


async def ask(transport: httpx.AsyncBaseTransport, keys: InternalKeys = KEYS, body: bytes = b"{}") -> Answer:
    async with httpx.AsyncClient(transport=transport) as client:
        request = client.build_request("POST", "http://instance.test/a%20b?c=%2Fd&e", content=body)
        return await call_signed(client, keys, ME, request)


@pytest.mark.anyio
async def test_both_directions_are_signed() -> None:
    echo = Echo()
    app = SignedCalls(echo, verifier=Verifier(KEYS, ME), open_paths=frozenset())
    answer = await ask(httpx.ASGITransport(app))
    assert (answer.status, answer.content, answer.by) == (200, "done", ME)
    assert echo.bodies == [b"{}"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as stranger:
        unsigned = await stranger.post("http://instance.test/a")
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "signature_missing")
    assert len(echo.bodies) == 1, "what is not signed does not reach the application"


@pytest.mark.anyio
@pytest.mark.parametrize("change", [{"content": b'"other"'}, {"status": 201}])
async def test_an_answer_that_was_changed_is_not_believed(change: dict[str, Any]) -> None:
    app = SignedCalls(Echo(), verifier=Verifier(KEYS, ME), open_paths=frozenset())
    with pytest.raises(BlazzError) as caught:
        await ask(Changing(app, **change))
    assert caught.value.code == "answer_not_signed"


@pytest.mark.anyio
async def test_a_process_with_another_key_is_noticed_and_named() -> None:
    app = SignedCalls(Echo(), verifier=Verifier(InternalKeys(b"x" * 32), ME), open_paths=frozenset())
    with pytest.raises(BlazzError, match=r"instance.test does not hold this cluster's key \(it says signature_wrong\)"):
        await ask(httpx.ASGITransport(app))


@pytest.mark.anyio
async def test_a_large_body_is_refused_with_a_signed_answer() -> None:
    echo = Echo()
    app = SignedCalls(echo, verifier=Verifier(KEYS, ME), open_paths=frozenset())
    answer = await ask(httpx.ASGITransport(app), body=b"x" * 300_000)
    assert (answer.status, answer.content["code"]) == (413, "body_too_large")
    assert not echo.bodies
