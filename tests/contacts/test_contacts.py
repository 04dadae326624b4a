"""Contacts through the API: one person once, found whatever is typed, and gone with their chats."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.messaging.stage import Stage
from tests.support.app import Person, Running, problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


async def add(person: Person, phone: str, name: str | None = None) -> dict[str, Any]:
    answer = await person.post("/contacts", {"phone": phone, "name": name})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def found(person: Person, search: str) -> list[str]:
    answer = await person.get("/contacts", search=search)
    assert answer.status_code == 200, answer.text
    return sorted(contact["name"] or contact["phone"] for contact in answer.json()["data"])


async def told(person: Person) -> list[tuple[str, str]]:
    listed = (await person.get("/events", after=0)).json()["data"]
    return [(one["name"], one["data"]["contact_id"]) for one in listed if one["name"].startswith("contact.")]


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("+6281234567890", "+6281234567890"),
        ("+62 812-3456-7890", "+6281234567890"),
        ("+49 (0) 30 901820", "+4930901820"),
    ],
)
async def test_a_number_is_stored_in_one_form_however_it_is_typed(owner: Person, typed: str, phone: str) -> None:
    made = await add(owner, typed, "  Ayu ")
    assert (made["phone"], made["name"], made["push_name"]) == (phone, "Ayu", None)
    assert made["identifiers"] == [{"kind": "phone", "value": phone}]
    assert (await owner.get(f"/contacts/{made['id']}")).json() == made
    assert await told(owner) == [("contact.created", made["id"])]


async def test_a_number_without_country_code_is_one_of_the_workspaces_country(owner: Person) -> None:
    assert (await add(owner, "0812 3456 7890"))["phone"] == "+6281234567890"


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize("typed", ["", "hello", "+", "12", "+999999999999999999999", "x" * 65, 7, None], ids=range(8))
async def test_what_is_no_number_is_refused(owner: Person, typed: Any) -> None:
    problem(await owner.post("/contacts", {"phone": typed}), 422)
    assert (await owner.get("/contacts")).json()["data"] == []


async def test_the_same_number_again_names_the_contact_that_has_it(owner: Person) -> None:
    made = await add(owner, "+6281234567890")
    document = problem(await owner.post("/contacts", {"phone": "+62 812 34567890"}), 409, "contact_exists")
    assert made["id"] in document["detail"]


async def test_a_name_is_changed_and_removed_and_told_once(owner: Person) -> None:
    made = await add(owner, "+6281234567890", "Ayu")
    path = f"/contacts/{made['id']}"
    assert (await owner.patch(path, {"name": "Ayu Lestari"})).json()["name"] == "Ayu Lestari"
    assert (await owner.patch(path, {"name": "Ayu Lestari"})).status_code == 200
    assert (await owner.patch(path, {})).json()["name"] == "Ayu Lestari"
    assert (await owner.patch(path, {"name": None})).json()["name"] is None
    for wrong in ({"name": ""}, {"name": "x" * 129}, {"phone": "+62811"}, {"name": 7}):
        problem(await owner.patch(path, wrong), 422, "invalid_request")
    assert [name for name, _ in await told(owner)] == ["contact.created", "contact.updated", "contact.updated"]


async def test_search_finds_parts_of_names_and_numbers_in_any_case(owner: Person) -> None:
    for phone, name in (
        ("+6281234567890", "Ayu Lestari"),
        ("+6281234567891", "\u00c9lodie M\u00fcller"),
        ("+4930901820", "100% Kopi_Senja"),
        ("+4930901821", "100 Kopi Senja \\ Co"),
        ("+4930901822", None),
    ):
        await add(owner, phone, name)
    assert await found(owner, "LESTARI") == ["Ayu Lestari"]
    assert await found(owner, " ayu ") == ["Ayu Lestari"]
    for typed in ("\u00e9lodie", "\u00c9lodie", "m\u00fcller", "\u00c9LODIE M\u00fcLLER"):
        assert await found(owner, typed) == ["\u00c9lodie M\u00fcller"], typed
    assert await found(owner, "309018") == ["+4930901822", "100 Kopi Senja \\ Co", "100% Kopi_Senja"]
    assert await found(owner, "%") == ["100% Kopi_Senja"]
    assert await found(owner, "i_s") == ["100% Kopi_Senja"]
    assert await found(owner, "\\") == ["100 Kopi Senja \\ Co"]
    assert await found(owner, "nobody") == []
    assert len(await found(owner, "  ")) == 5
    problem(await owner.get("/contacts", search="x" * 129), 422, "invalid_request")


async def test_the_list_is_paged_newest_first_with_four_statements_a_page(owner: Person) -> None:
    made = [(await add(owner, f"+62812345678{index:02}"))["id"] for index in range(7)]
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "contact" in statement:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        page = (await owner.get("/contacts", limit=5)).json()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(statements) == 4, "contacts, addresses, pictures, blocks"
    rest = (await owner.get("/contacts", limit=5, cursor=page["next_cursor"])).json()
    assert [contact["id"] for contact in page["data"] + rest["data"]] == made[::-1]
    assert rest["next_cursor"] is None
    problem(await owner.get("/contacts", cursor="nonsense"), 422, "invalid_cursor")


async def test_a_deleted_contact_takes_its_chats_along(owner: Person) -> None:
    stage = await Stage.build(owner)
    await stage.deliver(stage.inbound("Hello"))
    assert (await stage.send()).status_code == 202
    (contact,) = (await owner.get("/contacts")).json()["data"]
    (chat,) = (await owner.get("/chats")).json()["data"]
    assert (await owner.delete(f"/contacts/{contact['id']}")).status_code == 204
    assert (await owner.get("/contacts")).json()["data"] == []
    assert (await owner.get("/chats")).json()["data"] == []
    problem(await owner.get(f"/chats/{chat['id']}"), 404, "not_found")
    problem(await owner.delete(f"/contacts/{contact['id']}"), 404, "not_found")
    assert (await told(owner))[-1] == ("contact.deleted", contact["id"])
    await stage.deliver(stage.inbound("Hello again"))
    assert len((await owner.get("/contacts")).json()["data"]) == 1


async def test_contacts_of_another_workspace_do_not_exist(running: Running, owner: Person) -> None:
    made = await add(owner, "+6281234567890", "Ayu")
    stranger = await running.stranger()
    path = f"/contacts/{made['id']}"
    assert await found(stranger, "Ayu") == []
    problem(await stranger.get(path), 404, "not_found")
    problem(await stranger.patch(path, {"name": "Mine"}), 404, "not_found")
    problem(await stranger.delete(path), 404, "not_found")
    problem(await owner.get(f"/contacts/{uuid.uuid4()}"), 404, "not_found")
    assert (await add(stranger, "+6281234567890"))["id"] != made["id"]
    assert (await owner.get(path)).json() == made


async def test_reading_and_writing_need_their_scopes(owner: Person) -> None:
    reader, writer = await owner.program("contacts:read"), await owner.program("contacts:write")
    body = {"phone": "+6281234567890"}
    problem(await reader.post("/api/v1/contacts", json=body), 403, "scope_missing")
    assert (await writer.post("/api/v1/contacts", json=body)).status_code == 201
    problem(await writer.get("/api/v1/contacts"), 403, "scope_missing")
    assert len((await reader.get("/api/v1/contacts")).json()["data"]) == 1
