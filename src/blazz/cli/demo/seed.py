"""What the demo begins with: an owner, one linked number, a few customers who have written.

Everything is done through the public API and the phones' control API, as a person would; a seed that was cut goes on
at the next start.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from blazz.identity import service as identity
from blazz.kit.db import Database
from blazz.kit.errors import BlazzError
from blazz.kit.files import read_private, write_private
from blazz.kit.ids import random_token
from blazz.kit.settings import Settings

BUSINESS_NUMBER = "628110000001"
SECOND_NUMBER = "628110000002"
_EMAIL = "owner@demo.example"
_WORKSPACE = "Kopi Senja"
_LINK_S = 40.0


class Seeded(Protocol):
    """A running product, as far as the seed must know it."""

    settings: Settings
    database: Database
    url: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A simulated customer, what they wrote first, and how they answer."""

    number: str
    name: str
    messages: tuple[str, ...]
    behaviour: dict[str, Any]
    profile: dict[str, Any] = field(default_factory=dict)


_CUSTOMERS = (
    Customer(
        "628110000101",
        "Ayu Lestari",
        ("Hi! Do you still have the Gayo beans?", "Two bags of 500 g, please."),
        {
            "kind": "script",
            "rules": [
                {"match": "yes", "reply": "Wonderful! When can I pick them up?", "delay_s": 2},
                {"match": "", "reply": "Thank you!", "delay_s": 2},
            ],
        },
        {"about": "Coffee first.", "username": "ayu.lestari"},
    ),
    Customer("628110000102", "Budi Santoso", ("Selamat pagi, apakah buka hari Minggu?",), {"kind": "silent"}),
    Customer(
        "628110000103",
        "Citra Dewi",
        ("My order 1042 has not arrived yet.", "Could you have a look?"),
        {"kind": "silent"},
        {"about": "Flowers for every day"},
    ),
    Customer(
        "628110000104",
        "Echo",
        ("Write to me and I will say the same.",),
        {"kind": "echo", "prefix": "You said: ", "delay_s": 1},
    ),
)


async def seed(product: Seeded, phones_url: str | None) -> uuid.UUID:
    """Make sure that the demo's data exists; returns the owner's id. Raises BlazzError `demo_seed_failed`."""
    if phones_url is None:
        raise BlazzError("demo_seed_failed", "--demo-seed needs --phones-url.", 500)
    notes = _Notes(product.settings.data_dir / "demo.json")
    if notes.done:
        return notes.user_id
    async with (
        httpx.AsyncClient(base_url=product.url + "/api/v1", timeout=30, trust_env=False) as api,
        httpx.AsyncClient(base_url=phones_url, timeout=30, trust_env=False) as phones,
    ):
        try:
            await _sign_in(product, api, notes)
            await _people(phones)
            await _linked_number(api, phones)
            for customer in _CUSTOMERS:
                await _first_messages(phones, customer)
        except (httpx.HTTPError, KeyError, TimeoutError) as error:
            raise BlazzError("demo_seed_failed", f"The demo's data could not be made: {error!r}", 500) from error
    notes.finish()
    return notes.user_id


class _Notes:
    """What the seed must remember between starts, in a private file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: dict[str, Any] = json.loads(read_private(path)) if path.exists() else {}

    @property
    def done(self) -> bool:
        return bool(self._content.get("done"))

    @property
    def user_id(self) -> uuid.UUID:
        return uuid.UUID(self._content["user_id"])

    def password(self) -> str:
        if "password" not in self._content:
            self._save(password=random_token(18))
        return str(self._content["password"])

    def owner(self, user_id: str) -> None:
        self._save(user_id=user_id)

    def finish(self) -> None:
        self._save(done=True)

    def _save(self, **changes: Any) -> None:
        self._content.update(changes)
        write_private(self._path, json.dumps(self._content).encode())


async def _sign_in(product: Seeded, api: httpx.AsyncClient, notes: _Notes) -> None:
    """Create the owner (or sign in again after a cut) and carry the CSRF token from now on."""
    password = notes.password()
    code = await identity.ensure_setup_code(product.database, product.settings.data_dir)
    if code is not None:
        body = {"code": code, "email": _EMAIL, "password": password, "name": "Sari", "workspace_name": _WORKSPACE}
        answer = (await api.post("/auth/setup", json=body)).raise_for_status()
    else:
        answer = (await api.post("/auth/login", json={"email": _EMAIL, "password": password})).raise_for_status()
    notes.owner(answer.json()["user"]["id"])
    me = (await api.get("/me")).raise_for_status().json()
    api.headers["X-CSRF-Token"] = me["csrf_token"]


async def _people(phones: httpx.AsyncClient) -> None:
    known = {phone["number"] for phone in (await phones.get("/phones")).raise_for_status().json()["data"]}
    wanted = [(BUSINESS_NUMBER, _WORKSPACE), (SECOND_NUMBER, "Kopi Senja Delivery")]
    wanted += [(customer.number, customer.name) for customer in _CUSTOMERS]
    for number, name in wanted:
        if number not in known:
            (await phones.post("/phones", json={"number": number, "name": name})).raise_for_status()
    for customer in _CUSTOMERS:
        path = f"/phones/{customer.number}/behaviour"
        (await phones.post(path, json=customer.behaviour)).raise_for_status()
        if customer.profile:
            (await phones.patch(f"/phones/{customer.number}/profile", json=customer.profile)).raise_for_status()


async def _linked_number(api: httpx.AsyncClient, phones: httpx.AsyncClient) -> None:
    accounts = (await api.get("/accounts")).raise_for_status().json()["data"]
    account = (
        accounts[0] if accounts else (await api.post("/accounts", json={"name": "Shop"})).raise_for_status().json()
    )
    path = f"/accounts/{account['id']}"
    # who tries it out shall see customers type
    shown = {"presence": "available_while_inbox_is_open"}
    (await api.patch(f"{path}/profile", json=shown)).raise_for_status()
    if account["status"] == "connected":
        return
    (await api.post(f"{path}/connect", json={})).raise_for_status()

    async def code_or_connected() -> Any:
        if (await api.get(path)).json()["status"] == "connected":
            return "connected"
        answer = await api.get(f"{path}/qr")
        return answer.json()["code"] if answer.status_code == 200 else None

    code = await _until(code_or_connected)
    if code != "connected":
        (await phones.post(f"/phones/{BUSINESS_NUMBER}/link", json={"qr": code})).raise_for_status()

    async def connected() -> bool:
        return bool((await api.get(path)).json()["status"] == "connected")

    await _until(connected)


async def _first_messages(phones: httpx.AsyncClient, customer: Customer) -> None:
    path = f"/phones/{customer.number}/messages"
    sent = {message["body"] for message in (await phones.get(path)).raise_for_status().json()["data"]}
    for text in customer.messages:
        if text not in sent:
            body = {"to": BUSINESS_NUMBER, "type": "text", "text": {"body": text}}
            (await phones.post(path, json=body)).raise_for_status()


async def _until(check: Callable[[], Awaitable[Any]]) -> Any:
    deadline = time.monotonic() + _LINK_S
    while time.monotonic() < deadline:
        if result := await check():
            return result
        await asyncio.sleep(0.05)
    raise TimeoutError(f"not linked within {_LINK_S:.0f} s")
