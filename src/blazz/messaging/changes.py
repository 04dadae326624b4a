"""Messages that change others: reactions, edits, deletions, votes, pins.

A change is a row of its own, with its own WhatsApp id and delivery state; what it does is folded into the row that it
is about. One that comes before its target waits for it. One of ours that could not be sent is taken back.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from blazz import events
from blazz.kit.db import Tx
from blazz.messaging import admins, kinds, newest, repository
from blazz.messaging.kinds import Effect, Target
from blazz.messaging.kinds.base import Row, moment
from blazz.messaging.kinds.edit import BEFORE
from blazz.messaging.opening import Opener
from blazz.messaging.tables import messages

_RESET: dict[str, Any] = {"extras": None, "edited_at": None, "deleted_at": None, "pinned_until": None}
_WRITTEN = (*_RESET, "body", "content", "media_id")
_MISSED_AT_ONCE = 500
_FORGOTTEN: dict[str, Any] = {"body": None, "content": {"forgotten": True}}


class Targets:
    """The messages that a batch of changes is about, as they are after each change. `flush` writes what changed."""

    def __init__(
        self, tx: Tx, fresh: Sequence[dict[str, Any]], changes: Sequence[Row], *, silent: bool = False
    ) -> None:
        self._tx = tx
        self._silent = silent
        self._opener = Opener(tx)
        self._fresh = {id(row) for row in fresh}
        self._by_id: dict[tuple[uuid.UUID, str], list[dict[str, Any]]] = {}
        self._dirty: dict[uuid.UUID, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._applied: dict[uuid.UUID, list[dict[str, Any]]] = {}
        workspaces = {row["workspace_id"] for row in changes}
        wanted = {row["target_wa_id"] for row in changes}
        stored = repository.find_targets(tx, workspaces, {row["account_id"] for row in changes}, wanted)
        for row in [*(dict(item) for item in stored), *fresh]:
            if row["target_wa_id"] is None:
                self._by_id.setdefault((row["account_id"], row["wa_message_id"]), []).append(row)

    def find(self, change: Row, target: Target) -> dict[str, Any] | None:
        """Return the row that `change` is about; None when it is not here. Another's message of that id is not it."""
        found = self._by_id.get((change["account_id"], target.wa_message_id), ())
        rows = [row for row in found if row["chat_id"] == change["chat_id"] and _may_be(row, change, target)]
        if len(rows) > 1:
            # members of a group may use one id twice: the author decides
            author = change["author"] if target.from_me else target.author
            rows.sort(key=lambda row: row["author"] != author)
        return rows[0] if rows else None

    def apply(self, change: dict[str, Any], target: dict[str, Any]) -> events.EventDraft | None:
        """Let `change` take effect on one of these messages; returns its event, None without one."""
        change["target_id"] = target["id"]
        self._opener.open(change, target)
        if kinds.kind_of(change["kind"]).asks_for_admin(change, target):
            # of our own phone it is our number that must be one
            address = None if change["from_me"] else change["author"]
            rightful = admins.is_admin(self._tx, change["workspace_id"], change["chat_id"], address)
            change["content"] = {**change["content"], "by_admin": rightful}
        effect = kinds.kind_of(change["kind"]).effect(change, target)
        self._applied.setdefault(target["id"], []).append(change)
        if effect is None:
            return None
        target.update(effect.columns)
        if id(target) not in self._fresh:
            self._dirty.setdefault(target["id"], (target, {}))[1].update(effect.columns)
        if effect.forgets:
            for earlier in self._applied[target["id"]]:
                if earlier["kind"] == "edit":
                    earlier.update(_FORGOTTEN)
            repository.change_edits(self._tx, target, _FORGOTTEN)
        return None if self._silent else _tell(self._tx, target, effect)

    def flush(self) -> None:
        """Write what the changes did, one statement for each message."""
        for target, columns in self._dirty.values():
            _write(self._tx, target, columns)
        self._dirty.clear()


def _may_be(row: Row, change: Row, target: Target) -> bool:
    """Tell whether `row` may be the message that `change` means, by which side each was written from."""
    same_side = bool(row["from_me"] == change["from_me"])
    if not target.chat.endswith("@g.us"):
        return same_side == target.from_me
    by_changer = same_side and (change["from_me"] or row["author"] == change["author"])
    if target.from_me:
        # an author's LID may have been learned since
        return by_changer or (same_side and _server(row["author"]) != _server(change["author"]))
    return not by_changer


def _server(address: str) -> str:
    return address.rpartition("@")[2]


def apply(tx: Tx, change: dict[str, Any], target: Row) -> events.EventDraft | None:
    """Let a change of ours take effect on a stored message; returns the event, None when it does nothing."""
    after = dict(target)
    effect = kinds.kind_of(change["kind"]).effect(change, after)
    if effect is None:
        return None
    after.update(effect.columns)
    _write(tx, after, effect.columns)
    if effect.forgets:
        repository.change_edits(tx, after, _FORGOTTEN)
    return _tell(tx, after, effect)


def store(tx: Tx, fresh: Sequence[dict[str, Any]], changes: Sequence[tuple[dict[str, Any], Target]]) -> None:
    """Store changes that came in, and let those take effect whose targets are here or among the rows `fresh`.

    Also lets changes that were here before take effect on `fresh`. The unit must see all rows of the workspaces.
    """
    if changes:
        targets = Targets(tx, fresh, [row for row, _ in changes])
        silent: list[dict[str, Any]] = []
        for row, wanted in changes:
            found = targets.find(row, wanted)
            draft = targets.apply(row, found) if found is not None else None
            if draft is None:
                silent.append(row)  # nothing to see: no event, and so no position
            else:
                events.insert_at_position(tx, messages, row, draft)
        repository.insert_messages(tx, [{**row, "position": 0} for row in silent])
        targets.flush()
    if fresh:
        keys = {(row["workspace_id"], row["account_id"], row["wa_message_id"]) for row in fresh}
        catch_up(tx, keys, fresh)


def merge(tx: Tx, fresh: Sequence[dict[str, Any]], changes: Sequence[tuple[dict[str, Any], Target]]) -> None:
    """Let changes of a past take effect on the rows `fresh` and on what is here, without an event.

    Whoever calls stores the rows of both. The unit must see all rows of the workspaces.
    """
    if not changes:
        return
    targets = Targets(tx, fresh, [row for row, _ in changes], silent=True)
    for row, wanted in sorted(changes, key=lambda one: moment(one[0])):
        found = targets.find(row, wanted)
        if found is not None:
            targets.apply(row, found)
    targets.flush()


def catch_up(tx: Tx, keys: Collection[tuple[uuid.UUID, uuid.UUID, str]], fresh: Sequence[dict[str, Any]] = ()) -> None:
    """Let changes that came before these messages (workspace, account, WhatsApp id) take effect.

    `fresh` are those that are not in the database yet.
    """
    if not keys:
        return
    workspaces, accounts, ids = (set(part) for part in zip(*keys, strict=True))
    waiting = repository.waiting_changes(tx, workspaces, accounts, ids)
    if not waiting:
        return
    targets = Targets(tx, fresh, waiting)
    for stored in waiting:
        change = dict(stored)
        found = targets.find(change, target_of(change))
        if found is not None:
            targets.apply(change, found)
            written = {name: change[name] for name in ("target_id", "body", "content")}
            repository.change_message(tx, change["workspace_id"], change["id"], written)
    targets.flush()


def catch_up_missed(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Let changes of an account take effect that were stored in the same moment as what they are about.

    Two units that do not see each other's rows may each leave it to the other. Whoever calls must know that none of
    them is still under way.
    """
    events.see_all_rows(tx, workspace_id)
    ids = repository.missed(tx, workspace_id, account_id, _MISSED_AT_ONCE)
    catch_up(tx, {(workspace_id, account_id, wa_message_id) for wa_message_id in ids})


def target_of(change: Row) -> Target:
    """Return what a stored change that came in is about."""
    return Target(change["target_wa_id"], **change["content"].get("target", {"from_me": False}))


def finished(tx: Tx, rows: Iterable[Row], state: str) -> None:
    """Note that messages of ours were sent or failed (`state`): what failed is taken back, what was sent is final."""
    for row in rows:
        kind = kinds.kind_of(row["kind"])
        if state == "failed" and "before" in row["content"]:
            columns = kind.of_chat({**row["content"], "seconds": row["content"]["before"]})
            repository.change_chat(tx, row["workspace_id"], row["chat_id"], columns)
        if row["target_id"] is None or not (state == "failed" or kind.final_when_sent):
            continue
        target = repository.find_message(tx, row["workspace_id"], row["target_id"], for_update=True)
        if target is None:
            continue
        if state == "failed":
            rebuild(tx, target)
        elif target["deleted_at"] is not None:
            repository.change_message(tx, target["workspace_id"], target["id"], {"extras": None})
            repository.change_edits(tx, target, _FORGOTTEN)


def rebuild(tx: Tx, target: Row) -> None:
    """Work out anew what a message's changes make of it, leaving out those that failed, and tell of it."""
    now, opener = before_changes(target), Opener(tx)
    for stored in repository.changes_of(tx, target["workspace_id"], target):
        change = dict(stored)
        if opener.open(change, now):
            written = {name: change[name] for name in ("body", "content")}
            repository.change_message(tx, change["workspace_id"], change["id"], written)
        effect = kinds.kind_of(change["kind"]).effect(change, now) if change["state"] != "failed" else None
        if effect is not None:
            now.update(effect.columns)
    _write(tx, now, {name: now[name] for name in _WRITTEN})
    _tell(tx, target, Effect("message.updated"))


def rebuild_if_changed(tx: Tx, workspace_id: uuid.UUID, message_id: uuid.UUID) -> None:
    """Work out anew what a message is, if it has changes."""
    target = repository.find_message(tx, workspace_id, message_id, for_update=True)
    if target is not None and repository.changes_of(tx, workspace_id, target):
        rebuild(tx, target)


def before_changes(target: Row) -> dict[str, Any]:
    """Return a message's row as it was before anything changed it, as far as that is kept."""
    kept = (target["extras"] or {}).get(BEFORE)
    row: dict[str, Any] = {**target, **_RESET}
    if kept is not None:
        media_id = kept["media_id"]
        row |= {"body": kept["body"], "content": kept["content"], "media_id": media_id and uuid.UUID(media_id)}
    return row


def rename_author(tx: Tx, workspace_id: uuid.UUID, targets: Sequence[Row], old: str, new: str) -> None:
    """Let a person's reactions to and votes on `targets` stand under their new address, as their changes do."""
    for target in targets:
        extras = dict(target["extras"] or {})
        for name in ("reactions", "votes"):
            entries = dict(extras.get(name, {}))
            moved, present = entries.pop(old, None), entries.get(new)
            if moved is not None:
                entries[new] = moved if present is None else max(moved, present, key=lambda one: int(one["at"]))
                extras[name] = entries
        if extras != (target["extras"] or {}):
            repository.change_message(tx, workspace_id, target["id"], {"extras": extras})


def follow_person(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> None:
    """Let changes that wait in the chats of a contact find what they are about, after chats or authors became one."""
    waited_for = repository.waiting_in_chats(tx, workspace_id, contact_id)
    if waited_for:
        catch_up(tx, waited_for)


def _tell(tx: Tx, target: Row, effect: Effect) -> events.EventDraft:
    return events.append(
        tx,
        effect.event,
        {"message_id": str(target["id"]), "chat_id": str(target["chat_id"]), **effect.data},
        workspace_id=target["workspace_id"],
        account_id=target["account_id"],
    )


def _write(tx: Tx, target: Row, columns: Mapping[str, Any]) -> None:
    workspace_id, chat_id = target["workspace_id"], target["chat_id"]
    repository.change_message(tx, workspace_id, target["id"], columns)
    if "hidden_at" in columns:
        newest.recompute(tx, workspace_id, chat_id)
    elif "body" in columns:
        kind, preview = newest.line(target)
        repository.show_as_newest(tx, workspace_id, chat_id, target["id"], kind, preview)
