"""Signing in: set-up code, password, one-time link, sign-out, throttling, CSRF."""

from __future__ import annotations

import stat

import pytest
from argon2 import Type

from blazz.identity import service
from tests.support.app import PASSWORD, Person, Running, problem
from tests.support.fixtures import PRODUCT_HASHER

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
SETUP = {"email": "Owner@Example.org", "password": PASSWORD, "name": "Owner", "workspace_name": "Shop"}


async def test_first_owner_is_created_once_with_the_code_from_the_file(running: Running) -> None:
    code = await service.ensure_setup_code(running.database, running.settings.data_dir)
    file = running.settings.data_dir / "setup-code.txt"
    assert code is not None
    assert file.read_text().strip() == code
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await service.ensure_setup_code(running.database, running.settings.data_dir) == code

    browser = await running.browser()
    assert (await browser.get("/api/v1/auth/status")).json()["setup_required"] is True
    problem(await browser.post("/api/v1/auth/setup", json={**SETUP, "code": "WRONG"}), 403, "setup_code_wrong")
    answer = await browser.post("/api/v1/auth/setup", json={**SETUP, "code": code.lower().replace("-", " ")})
    assert answer.status_code == 201, answer.text
    assert answer.json()["user"]["email"] == "owner@example.org"
    assert answer.json()["workspace"]["role"] == "owner"

    status = (await browser.get("/api/v1/auth/status")).json()
    assert (status["setup_required"], status["signed_in"], status["simulated_network"]) == (False, True, True)
    problem(await browser.post("/api/v1/auth/setup", json={**SETUP, "code": code}), 409, "already_set_up")
    assert not file.exists()
    assert await service.ensure_setup_code(running.database, running.settings.data_dir) is None


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize("password", ["short", "ü" * 513])
async def test_passwords_outside_the_bounds_are_refused(running: Running, password: str) -> None:
    code = await service.ensure_setup_code(running.database, running.settings.data_dir)
    browser = await running.browser()
    answer = await browser.post("/api/v1/auth/setup", json={**SETUP, "code": code, "password": password})
    document = problem(answer, 422, "password_too_weak")
    assert document["errors"][0]["field"] == "password"


async def test_session_cookie_is_out_of_reach_and_ends_with_sign_out(running: Running, owner: Person) -> None:
    browser = await running.browser()
    answer = await browser.post("/api/v1/auth/login", json={"email": "OWNER@example.org ", "password": PASSWORD})
    assert answer.status_code == 200
    cookies = {cookie.split("=")[0]: cookie.lower() for cookie in answer.headers.get_list("set-cookie")}
    assert "httponly" in cookies["blazz_session"]
    assert "samesite=lax" in cookies["blazz_session"]
    assert "httponly" not in cookies["blazz_csrf"]
    token = browser.cookies["blazz_session"]
    person = await Person.of(running, browser)
    assert (await person.post("/auth/logout")).status_code == 204
    problem(await browser.get("/api/v1/me", headers={"Cookie": f"blazz_session={token}"}), 401, "unauthenticated")
    assert (await owner.get("/me")).status_code == 200, "another browser stays signed in"


async def test_unsafe_requests_of_a_browser_need_its_csrf_token(owner: Person) -> None:
    body = {"name": "x", "scopes": ["events:read"]}
    for token in ("", "wrong", "ü".encode()):
        headers = {"X-CSRF-Token": token}
        problem(await owner.post("/api-keys", body, headers=headers), 403, "csrf_failed")
    assert (await owner.get("/api-keys")).json()["data"] == []
    assert (await owner.post("/api-keys", body)).status_code == 201


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://blazz.test:81", "http://blazz.test.evil"])
async def test_other_sites_cannot_post(running: Running, owner: Person, origin: str) -> None:
    posted = await owner.post("/workspaces", {"name": "x"}, headers={"Origin": origin})
    problem(posted, 403, "cross_origin")
    browser = await running.browser(Origin=origin)
    login = {"email": "owner@example.org", "password": PASSWORD}
    problem(await browser.post("/api/v1/auth/login", json=login), 403, "cross_origin")


async def test_wrong_password_and_unknown_address_look_the_same(running: Running, owner: Person) -> None:
    browser = await running.browser()
    answers = [
        await browser.post("/api/v1/auth/login", json={"email": email, "password": "wrong password"})
        for email in ("owner@example.org", "nobody@example.org")
    ]
    details = [problem(answer, 401, "invalid_credentials")["detail"] for answer in answers]
    assert details[0] == details[1]


async def test_guessing_is_throttled_per_address_even_from_many_places(running: Running, owner: Person) -> None:
    browser = await running.browser()
    login = {"email": "owner@example.org", "password": "wrong password"}
    codes = [(await browser.post("/api/v1/auth/login", json=login)).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]
    answer = await browser.post("/api/v1/auth/login", json={**login, "password": PASSWORD})
    problem(answer, 429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= 901
    other = await browser.post("/api/v1/auth/login", json={"email": "other@example.org", "password": "wrong password"})
    assert other.status_code == 401, "others may still sign in"


async def test_success_forgets_failed_attempts(running: Running, owner: Person) -> None:
    browser = await running.browser()
    for _ in range(3):
        login = {"email": "owner@example.org", "password": "wrong password"}
        for _ in range(6):
            assert (await browser.post("/api/v1/auth/login", json=login)).status_code == 401
        assert (await browser.post("/api/v1/auth/login", json={**login, "password": PASSWORD})).status_code == 200


async def test_sign_in_link_works_once(running: Running, owner: Person) -> None:
    token = await service.create_sign_in_link(running.database, owner.id)
    browser = await running.browser()
    assert (await browser.post("/api/v1/auth/login-link", json={"token": token})).status_code == 200
    assert (await browser.get("/api/v1/me")).json()["user"]["id"] == str(owner.id)
    again = await (await running.browser()).post("/api/v1/auth/login-link", json={"token": token})
    problem(again, 403, "link_used_or_expired")


async def test_changing_the_password_ends_the_other_sessions(running: Running, owner: Person) -> None:
    other = await running.browser()
    await other.post("/api/v1/auth/login", json={"email": "owner@example.org", "password": PASSWORD})
    assert (await other.get("/api/v1/me")).status_code == 200
    change = {"current_password": "wrong password", "new_password": "another good one"}
    problem(await owner.post("/auth/password", change), 403, "invalid_credentials")
    assert (await owner.post("/auth/password", {**change, "current_password": PASSWORD})).status_code == 204
    problem(await other.get("/api/v1/me"), 401)
    assert (await owner.get("/me")).status_code == 200
    login = {"email": "owner@example.org", "password": "another good one"}
    assert (await other.post("/api/v1/auth/login", json=login)).status_code == 200


async def test_sign_up_is_closed_by_default(running: Running, owner: Person) -> None:
    body = {"email": "a@example.org", "password": PASSWORD, "name": "A", "workspace_name": "B"}
    problem(await (await running.browser()).post("/api/v1/auth/sign-up", json=body), 403, "sign_up_closed")


async def test_person_can_change_their_name(owner: Person) -> None:
    assert (await owner.patch("/me", {"name": "New name"})).json()["user"]["name"] == "New name"
    problem(await owner.patch("/me", {"name": "a\x00b"}), 422, "invalid_request")
    assert (await owner.get("/me")).json()["user"]["name"] == "New name"


def test_passwords_are_hashed_as_rfc_9106_advises() -> None:
    assert (PRODUCT_HASHER.type, PRODUCT_HASHER.time_cost, PRODUCT_HASHER.memory_cost) == (Type.ID, 3, 64 * 1024)
