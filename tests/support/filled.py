"""A workspace with one of everything, made through the API, and a picture of all its rows."""

from __future__ import annotations

import io
import uuid
from typing import Any

from PIL import Image
from sqlalchemy import select

from blazz.accounts import service as accounts
from blazz.cluster import service as cluster
from blazz.groups import storing
from blazz.groups.facts import GroupFacts, Member, Role
from blazz.groups.facts import Person as Participant
from blazz.identity.tables import users
from blazz.kit.db import Database, Platform, Tx, Workspace, metadata
from blazz.workspaces.tables import memberships, workspaces
from tests.support.app import Person


def png(size: int = 8) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (10, 120, 90)).save(buffer, "PNG")
    return buffer.getvalue()


# An authenticator's answer to nobody's question.
CREDENTIAL = {
    "id": "AAAA",
    "rawId": "AAAA",
    "type": "public-key",
    "response": {"clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA"},
}


async def fill(owner: Person) -> dict[str, str]:
    """Create one of everything; returns the ids by the names of the path parameters."""

    async def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await owner.post(path, body)
        assert answer.status_code < 300, answer.text
        content: dict[str, Any] = answer.json()
        return content

    upload = await owner.browser.post("/api/v1/media", files={"file": ("picture.png", png(), "image/png")})
    assert upload.status_code == 201, upload.text
    account = await made("/accounts", {"name": "Shop"})
    await link(owner, uuid.UUID(account["id"]))
    contact = await made("/contacts", {"phone": "+628110000101", "name": "Ayu"})
    text = {"account_id": account["id"], "to": "+628110000101", "type": "text", "text": {"body": "Hello"}}
    message = await made("/messages", text)
    key = await made("/api-keys", {"name": "key", "scopes": ["events:read"]})
    group_id = await group(owner, uuid.UUID(account["id"]))
    invitation = await made("/invitations", {"email": "new@example.org", "role": "agent"})
    instance = await stopped_instance(owner)
    operation = await made("/admin/cluster/rebalance", {"mode": "even"})
    return {
        "account_id": account["id"],
        "contact_id": contact["id"],
        "chat_id": message["chat_id"],
        "message_id": message["id"],
        "media_id": upload.json()["id"],
        "group_id": str(group_id),
        "key_id": key["id"],
        "invitation_id": invitation["id"],
        "instance_id": instance,
        "operation_id": operation["id"],
        "user_id": str(owner.id),
        "workspace_id": str(owner.workspace_id),
    }


async def stopped_instance(owner: Person, name: str = "instance-of-yesterday") -> str:
    """Register an instance that has ended: it is known and takes no sessions."""

    def work(tx: Tx) -> None:
        cluster.sign_off(tx, cluster.register(tx, cluster.Member(name, 5, "1")))

    await owner.running.database.write(Platform("test data"), work)
    return name


async def link(owner: Person, account_id: uuid.UUID, phone: str = "+628110000001") -> None:
    """Note that the number is linked, as its session does after a pairing."""
    digits = phone.removeprefix("+")
    await owner.running.database.write(
        Workspace(owner.workspace_id),
        accounts.linked,
        owner.workspace_id,
        account_id,
        jid=f"{digits}:1@s.whatsapp.net",
        lid=f"9{digits}:1@lid",
        phone=phone,
    )


async def group(owner: Person, account_id: uuid.UUID, address: str = "120363000000000001@g.us") -> uuid.UUID:
    """Note that the number is in a group, as its session does."""
    people: dict[str, Role] = {"628110000001": "admin", "628110000101": "member"}
    members = tuple(
        Member(Participant(f"9{phone}@lid", f"+{phone}", f"9{phone}"), role) for phone, role in people.items()
    )
    facts = GroupFacts(
        address=address,
        subject="Team",
        description="",
        owner=None,
        founded_at=None,
        announcement=False,
        locked=False,
        join_approval=False,
        member_add_mode="all_member_add",
        ephemeral_s=0,
        is_community=False,
        community=None,
        suspended=False,
        members=members,
        size=len(members),
    )
    return await owner.running.database.write(
        Workspace(owner.workspace_id), storing.store_group, owner.workspace_id, account_id, facts
    )


def bodies(ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """A valid body for every operation that takes one; foreign ids wherever an id fits."""
    image = {"type": "image", "image": {"id": ids["media_id"]}}
    text = {"type": "text", "text": {"body": "x"}, "context": {"message_id": ids["message_id"]}}
    return {
        "change_password": {"current_password": "not the password", "new_password": "something else"},
        "patch_me": {"name": "Name"},
        "create_key": {"name": "key", "scopes": ["events:read"]},
        "create_workspace": {"name": "More", "timezone": "UTC"},
        "patch_workspace": {"name": "Mine", "timezone": "UTC"},
        "patch_member": {"role": "agent", "state": "suspended"},
        "create_invitation": {"email": "x@example.org", "role": "agent"},
        "create_account": {"name": "Number"},
        "patch_account": {"name": "Mine", "is_primary": True},
        "create_pairing_code": {"phone": "+628110000009"},
        "answer_passkey": {"credential": CREDENTIAL},
        "put_calls": {"reject": True, "reply": "Please write to us."},
        "create_contact": {"phone": "+628110000202", "name": "Budi"},
        "patch_contact": {"name": "Mine", "username": "mine.too", "business_id": "ID.1"},
        "patch_account_profile": {"name": "Mine", "picture": ids["media_id"], "presence": "hidden"},
        "patch_account_privacy": {"last_seen": "none"},
        "send_message": {"account_id": ids["account_id"], "to": ids["chat_id"], **image},
        "send_batch": {"messages": [{"account_id": ids["account_id"], "to": ids["contact_id"], **text}]},
        "typing": {"state": "composing"},
        "change_chat": {"archived": True, "labels": [ids["chat_id"]]},
        "star_message": {"starred": True},
        "ask_for_history": {"count": 20},
        "create_group": {"account_id": ids["account_id"], "subject": "Mine", "participants": [ids["contact_id"]]},
        "change_group": {"subject": "Mine"},
        "preview_group": {"account_id": ids["account_id"], "link": "https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"},
        "join_group": {"account_id": ids["account_id"], "link": "https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"},
        "accept_group_invitation": {"message_id": ids["message_id"]},
        "set_picture": {"media_id": ids["media_id"]},
        "change_participants": {"action": "add", "participants": [ids["contact_id"]]},
        "answer_requests": {"action": "approve", "participants": [ids["contact_id"]]},
        "migrate_workspace": {"workspace_id": ids["workspace_id"], "target_instance_id": ids["instance_id"]},
        "rebalance_cluster": {"mode": "toward_strategy"},
    }


async def rows(database: Database, workspace: str) -> dict[str, list[Any]]:
    """All rows that belong to a workspace, and its people, by table."""
    wanted = uuid.UUID(workspace)

    def work(tx: Tx) -> dict[str, list[Any]]:
        found = {}
        for table in metadata.sorted_tables:
            if "workspace_id" in table.c:
                statement = select(table).where(table.c.workspace_id == wanted).order_by(*table.primary_key)
                found[table.name] = [tuple(row.values()) for row in tx.all(statement)]
        people = select(memberships.c.user_id).where(memberships.c.workspace_id == wanted)
        for name, statement in (
            ("workspaces", select(workspaces).where(workspaces.c.id == wanted)),
            ("users", select(users).where(users.c.id.in_(people)).order_by(users.c.id)),
        ):
            found[name] = [tuple(row.values()) for row in tx.all(statement)]
        return found

    return await database.read(Platform("test"), work)
