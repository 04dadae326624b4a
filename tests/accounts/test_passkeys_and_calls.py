"""Passkeys, calls and restrictions through the API."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from typing import Any

import pytest

from blazz.accounts import phone_silence, repository, restrictions, service
from blazz.accounts.restrictions import Restriction
from blazz.cluster.pairing_commands import PasskeyView
from blazz.kit.db import Platform, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import activity
from tests.accounts.owner_of_sessions import Sessions
from tests.support.app import Person, problem
from tests.support.filled import link

pytestmark = [pytest.mark.anyio]
CHALLENGE = "c2lnbiB0aGlz"


async def number(owner: Person) -> uuid.UUID:
    answer = await owner.post("/accounts", {})
    assert answer.status_code == 201, answer.text
    return uuid.UUID(answer.json()["id"])


def credential(challenge: str = CHALLENGE, kind: str = "webauthn.get") -> dict[str, Any]:
    client = json.dumps({"type": kind, "challenge": challenge, "origin": "https://web.whatsapp.com"})
    return {
        "id": "AAAA",
        "rawId": "AAAA",
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": base64.urlsafe_b64encode(client.encode()).decode().rstrip("="),
            "authenticatorData": "AAAA",
            "signature": "AAAA",
            "userHandle": None,
        },
    }


def asked(step: Any = "challenge", code: str | None = None) -> PasskeyView:
    options = {"challenge": CHALLENGE, "rpId": "whatsapp.com", "allowCredentials": []}
    return PasskeyView(step, options, code, utc_now() + dt.timedelta(minutes=5))


async def test_a_passkey_is_shown_answered_and_confirmed(owner: Person, sessions: Sessions) -> None:
    account_id = await number(owner)
    where = f"/accounts/{account_id}/passkey"
    problem(await owner.get(where), 404, "no_passkey")
    problem(await owner.post(where, {"credential": credential()}), 404, "no_passkey")
    problem(await owner.post(f"{where}/confirm"), 404, "no_passkey")
    sessions.passkeys[account_id] = asked()
    answer = await owner.get(where)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["options"]["rpId"] == "whatsapp.com"
    assert (await owner.post(where, {"credential": credential()})).status_code == 204
    ((name, _, given),) = sessions.asked
    assert name == "answer_passkey"
    assert set(json.loads(given)) == {"id", "rawId", "type", "response"}, "nothing that WhatsApp does not want"
    sessions.passkeys[account_id] = asked("confirm", "ABCD-1234")
    assert (await owner.get(where)).json()["code"] == "ABCD-1234"
    assert (await owner.post(f"{where}/confirm")).status_code == 204
    assert sessions.asked[-1] == ("confirm_passkey", account_id)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (credential("b3RoZXI"), "wrong_challenge"),
        (credential(kind="webauthn.create"), "invalid_credential"),
        ({**credential(), "type": "password"}, "invalid_request"),
        ({**credential(), "rawId": "not base64!"}, "invalid_request"),
        ({**credential(), "response": {}}, "invalid_request"),
    ],
)
async def test_what_is_no_answer_to_the_question_goes_nowhere(
    owner: Person, sessions: Sessions, given: dict[str, Any], code: str
) -> None:
    account_id = await number(owner)
    sessions.passkeys[account_id] = asked()
    problem(await owner.post(f"/accounts/{account_id}/passkey", {"credential": given}), 422, code)
    assert sessions.asked == []


async def test_what_a_number_does_with_calls_is_set_and_shown(owner: Person) -> None:
    account_id = await number(owner)
    assert (await owner.get(f"/accounts/{account_id}")).json()["calls"] == {"reject": False, "reply": None}
    wanted = {"reject": True, "reply": "Please write."}
    answer = await owner.browser.put(f"/api/v1/accounts/{account_id}/calls", json=wanted)
    assert answer.json() == wanted
    assert (await owner.get(f"/accounts/{account_id}")).json()["calls"] == wanted
    answer = await owner.browser.put(f"/api/v1/accounts/{account_id}/calls", json={"reject": False, "reply": "  "})
    assert answer.json() == {"reject": False, "reply": None}
    problem(await owner.browser.put(f"/api/v1/accounts/{account_id}/calls", json={"reply": "x" * 1025}), 422)


async def shown(owner: Person, account_id: uuid.UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await owner.get(f"/accounts/{account_id}")).json()
    return found


@pytest.mark.every_database
async def test_a_restriction_is_shown_in_words_until_its_end(owner: Person) -> None:
    account_id = await number(owner)
    assert (await shown(owner, account_id))["restriction"] is None
    now = utc_now()
    scope = Workspaces.of([owner.workspace_id])
    database = owner.running.database

    async def restrict(restriction: Restriction) -> bool:
        return bool(await database.write(scope, restrictions.restrict, owner.workspace_id, account_id, restriction))

    lock = Restriction("reachout_timelock", now, now + dt.timedelta(hours=1), code=463)
    assert await restrict(lock)
    assert not await restrict(lock), "the same again is no news"
    found = (await shown(owner, account_id))["restriction"]
    assert found["kind"] == "reachout_timelock"
    assert (found["new_chats"], found["existing_chats"]) == ("stopped", "allowed")
    assert "new chats" in found["reason"]
    await restrict(Restriction("rate_limited", now, now + dt.timedelta(minutes=1), code=429))
    assert (await shown(owner, account_id))["restriction"]["kind"] == "rate_limited", "the worst first"
    lifted = await database.write(scope, restrictions.lift, owner.workspace_id, account_id, restrictions.KINDS)
    assert lifted == ["rate_limited", "reachout_timelock"]
    assert (await shown(owner, account_id))["restriction"] is None
    await restrict(Restriction("rate_limited", now, now - dt.timedelta(minutes=1)))
    assert (await shown(owner, account_id))["restriction"] is None, "over, though nobody has lifted it"


@pytest.mark.every_database
async def test_a_phone_that_is_silent_for_long_is_told_once(owner: Person) -> None:
    account_id = await number(owner)
    await link(owner, account_id)
    database, scope = owner.running.database, Workspaces.of([owner.workspace_id])
    assert (await shown(owner, account_id))["phone_warning"] is None

    async def set_back(days: int) -> None:
        then = utc_now() - dt.timedelta(days=days)
        values = {"linked_at": then, "phone_seen_at": then, "connected_at": then, "status": "connected"}
        await database.write(scope, lambda tx: repository.change(tx, owner.workspace_id, account_id, values))

    await set_back(9)
    await activity.refresh(database)
    assert (await shown(owner, account_id))["phone_warning"] is None
    await set_back(11)
    for _ in range(2):
        await activity.refresh(database)
    warning = (await shown(owner, account_id))["phone_warning"]
    assert warning is not None
    events = (await owner.get("/events?types=account.phone_silent")).json()["data"]
    assert len([event for event in events if event["name"] == "account.phone_silent"]) == 1
    seen = {account_id: utc_now()}
    await database.write(scope, phone_silence.note_seen, [owner.workspace_id], seen)
    assert (await shown(owner, account_id))["phone_warning"] is None
    rows = await database.read(Platform("test"), service.page_of_all, None, 10)
    assert rows[0]["phone_warned_at"] is None
