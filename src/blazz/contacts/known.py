"""What is known of the people of a batch while it is resolved, and the changes to be written at its end."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from blazz import events
from blazz.contacts import history, repository
from blazz.contacts.peers import Peer, Reason
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.phones import phone_forms
from blazz.kit.time import utc_now

Key = tuple[uuid.UUID, str, str]
"""Workspace, kind and value of an identifier."""


class Known:
    """Identifiers by value and by contact. Changes are gathered and written by `write`, in the order they were made."""

    def __init__(self) -> None:
        self.by_value: dict[Key, uuid.UUID] = {}
        self.by_contact: dict[uuid.UUID, dict[str, str]] = defaultdict(dict)
        self._contacts: list[dict[str, Any]] = []
        self._added: dict[Key, dict[str, Any]] = {}
        self._changes: list[repository.IdentifierChange] = []
        self._history: list[history.Entry] = []
        self._changed: dict[tuple[uuid.UUID, uuid.UUID], set[str]] = defaultdict(set)

    @classmethod
    def load(cls, tx: Tx, peers: Sequence[Peer]) -> Known:
        """Read what is known of these people: one statement, two more where somebody's other address is missing."""
        known = cls()
        workspaces = {peer.workspace_id for peer in peers}
        phones = {form for peer in peers if peer.phone for form in phone_forms(peer.phone)}
        found = repository.all_of_holders(tx, workspaces, phones | {peer.lid for peer in peers if peer.lid})
        known._take(found)
        missing = {contact for contact, have in known.by_contact.items() if "phone" not in have or "lid" not in have}
        if missing:
            # somebody may be learning the other address at this moment: what is stored now must know it
            repository.hold(tx, workspaces, missing)
            known._take(repository.identifiers_of(tx, workspaces, missing))
        return known

    def _take(self, rows: Sequence[Any]) -> None:
        for row in rows:
            self.by_value[row["workspace_id"], row["kind"], row["value"]] = row["contact_id"]
            self.by_contact[row["contact_id"]][row["kind"]] = row["value"]

    def holder(self, workspace_id: uuid.UUID, kind: str, value: str | None) -> uuid.UUID | None:
        """Return the contact with this identifier."""
        return self.by_value.get((workspace_id, kind, value)) if value else None

    def create(self, peer: Peer) -> uuid.UUID:
        """Note a contact that is new, without identifiers so far."""
        contact_id, now = uuid7(), utc_now()
        name = (peer.push_name or "")[:128] or None
        own = {"id": contact_id, "workspace_id": peer.workspace_id, "name": None, "push_name": name}
        self._contacts.append({**own, "created_at": now, "updated_at": now})
        self.by_contact[contact_id] = {}
        return contact_id

    def add(self, workspace_id: uuid.UUID, contact_id: uuid.UUID, kind: str, value: str) -> None:
        """Note an identifier that nobody has."""
        self.by_contact[contact_id][kind] = value
        self.by_value[workspace_id, kind, value] = contact_id
        own = {"workspace_id": workspace_id, "contact_id": contact_id, "kind": kind, "value": value}
        self._added[workspace_id, kind, value] = {"id": uuid7(), **own, "created_at": utc_now()}
        self._changed[workspace_id, contact_id].add(kind)

    def replace(self, workspace_id: uuid.UUID, contact_id: uuid.UUID, kind: str, old: str, new: str) -> None:
        """Give a contact another value in the place of `old`; nobody has `new`."""
        del self.by_value[workspace_id, kind, old]
        self.by_value[workspace_id, kind, new] = contact_id
        self.by_contact[contact_id][kind] = new
        pending = self._added.pop((workspace_id, kind, old), None)
        if pending is not None:
            self._added[workspace_id, kind, new] = {**pending, "value": new}
        else:
            self._changes.append(repository.IdentifierChange(workspace_id, kind, old, value=new))
        self._changed[workspace_id, contact_id].add(kind)

    def give(self, workspace_id: uuid.UUID, kind: str, value: str, contact_id: uuid.UUID) -> None:
        """Move an identifier from the contact that has it to another."""
        former = self.by_value[workspace_id, kind, value]
        if self.by_contact[former].get(kind) == value:
            del self.by_contact[former][kind]
        self.by_value[workspace_id, kind, value] = contact_id
        self.by_contact[contact_id][kind] = value
        pending = self._added.get((workspace_id, kind, value))
        if pending is not None:
            pending["contact_id"] = contact_id
        else:
            self._changes.append(repository.IdentifierChange(workspace_id, kind, value, contact_id=contact_id))
        self._changed[workspace_id, contact_id].add(kind)
        self._changed[workspace_id, former].add(kind)

    def drop(self, workspace_id: uuid.UUID, kind: str, value: str) -> None:
        """Forget an identifier: it does not lead to its contact any more."""
        former = self.by_value.pop((workspace_id, kind, value))
        if self.by_contact[former].get(kind) == value:
            del self.by_contact[former][kind]
        if self._added.pop((workspace_id, kind, value), None) is None:
            self._changes.append(repository.IdentifierChange(workspace_id, kind, value))

    def absorb(self, winner: uuid.UUID, loser: uuid.UUID) -> None:
        """Let everything that leads to `loser` lead to `winner`; the rows follow when the merge is finished."""
        for key, contact_id in list(self.by_value.items()):
            if contact_id == loser:
                self.by_value[key] = winner
        self.by_contact[winner] = {**self.by_contact.pop(loser, {}), **self.by_contact[winner]}

    def tell(
        self, workspace_id: uuid.UUID, contact_id: uuid.UUID, event: history.Event, reason: Reason, **data: Any
    ) -> None:
        """Note an entry of a contact's history."""
        self._history.append(history.Entry(workspace_id, contact_id, event, reason, data))

    @property
    def added(self) -> Sequence[dict[str, Any]]:
        """The identifiers that somebody has got, as rows."""
        return list(self._added.values())

    def write(self, tx: Tx) -> None:
        """Write everything that was noted, with its events."""
        if self._contacts:
            repository.insert_contacts(tx, self._contacts)
        if self._changes:
            repository.change_identifiers(tx, self._changes)
        if self._added:
            repository.insert_identifiers(tx, list(self._added.values()))
        if self._history:
            history.add(tx, self._history)
        created = {row["id"] for row in self._contacts}
        for row in self._contacts:
            self._announce(tx, "contact.created", row["workspace_id"], row["id"], {})
        for (workspace_id, contact_id), kinds in self._changed.items():
            if contact_id not in created and contact_id in self.by_contact:
                self._announce(tx, "contact.updated", workspace_id, contact_id, {"changed": sorted(kinds)})

    def _announce(
        self, tx: Tx, name: str, workspace_id: uuid.UUID, contact_id: uuid.UUID, more: dict[str, Any]
    ) -> None:
        identifiers = dict(self.by_contact.get(contact_id, {}))
        data = {"contact_id": str(contact_id), "identifiers": identifiers, **more}
        events.append(tx, name, data, workspace_id=workspace_id)
