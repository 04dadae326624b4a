"""Members of groups follow when it becomes known which LID a number belongs to."""

from __future__ import annotations

import uuid

from blazz import events
from blazz.groups import repository
from blazz.groups.closed import closed
from blazz.kit.db import Tx
from blazz.messaging import group_chats, rekeying
from blazz.messaging.addresses import lid_of, phone_of

_RANK = {"member": 0, "admin": 1, "superadmin": 2}


def rekey(tx: Tx, workspace_id: uuid.UUID, old: str, new: str) -> None:
    """Let a member stand under `new` in every group; one who stands there under both keeps the higher role."""
    repository.rename_owner(tx, workspace_id, old, new)
    found: dict[uuid.UUID, dict[str, str]] = {}
    for row in repository.members_at(tx, workspace_id, [old, new]):
        found.setdefault(row["group_id"], {})[row["address"]] = row["role"]
    renamed = sorted(group_id for group_id, roles in found.items() if old in roles)
    doubled = [group_id for group_id in renamed if new in found[group_id]]
    groups = {row["id"]: row for row in repository.find_many(tx, workspace_id, renamed)} if renamed else {}
    for group_id in doubled:
        best = max(found[group_id].values(), key=lambda role: _RANK.get(role, 0))
        repository.remove_members(tx, workspace_id, group_id, [old])
        repository.set_members(
            tx, [{"w": workspace_id, "g": group_id, "a": new, "new_role": best, "new_phone": phone_of(old)}]
        )
        group = {**groups[group_id], "member_count": max(groups[group_id]["member_count"] - 1, 0)}
        repository.change(tx, workspace_id, group_id, {"member_count": group["member_count"]})
        group_chats.describe(
            tx,
            workspace_id,
            group_id,
            name=group["subject"],
            member_count=group["member_count"],
            closed=closed(group),
        )
    repository.rename_member(tx, workspace_id, old, new, phone=phone_of(old), lid=lid_of(new))
    for group_id in renamed:
        data = {"group_id": str(group_id), "chat_id": str(group_id), "renamed": {old: new}}
        account_id = groups[group_id]["account_id"]
        events.append(tx, "group.participants", data, workspace_id=workspace_id, account_id=account_id)


rekeying.followed_by(rekey)
