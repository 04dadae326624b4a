"""Opening changes that came encrypted with their target's secret, once the target is here."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from blazz.accounts import service as accounts
from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.messaging import kinds, repository
from blazz.messaging.kinds.base import Row
from blazz.messaging.kinds.sealed import SEALED, unseal


class Opener:
    """Opens changes of one unit. Addresses are looked up once for each account and chat."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._own: dict[uuid.UUID, tuple[str, ...]] = {}
        self._peers: dict[uuid.UUID, tuple[str, ...]] = {}

    def open(self, change: dict[str, Any], target: Row) -> bool:
        """Put what an encrypted change says into its row and tell whether it did; else the row stays as it is."""
        content = change["content"]
        if SEALED not in content:
            return False
        told = content.get("target") or {}
        authors = [*self._addresses(target), *(told.get(name) or "" for name in ("author", "chat"))]
        changers = [*self._addresses(change), *content[SEALED].get("by", ())]
        plain = unseal(change, target, filter(None, authors), filter(None, changers))
        opened = kinds.kind_of(change["kind"]).opened(plain, target) if plain is not None else None
        if opened is None:
            return False
        rest = {key: value for key, value in content.items() if key != SEALED}
        change["body"], change["content"] = opened.body, {**rest, **opened.content}
        return True

    def _addresses(self, row: Row) -> Iterator[str]:
        """Yield the addresses under which the author of a message may have acted."""
        workspace_id = row["workspace_id"]
        if row["from_me"]:
            account_id = row["account_id"]
            if account_id not in self._own:
                self._own[account_id] = accounts.own_addresses(self._tx, workspace_id, account_id)
            yield from self._own[account_id]
            return
        yield row["author"]
        chat_id = row["chat_id"]
        if chat_id not in self._peers:
            self._peers[chat_id] = self._of_chat(workspace_id, chat_id)
        yield from self._peers[chat_id]

    def _of_chat(self, workspace_id: uuid.UUID, chat_id: uuid.UUID) -> tuple[str, ...]:
        chat = repository.find_chat(self._tx, workspace_id, chat_id)
        if chat is None or chat["contact_id"] is None:
            return ()
        phone, lid = contacts.addresses_of(self._tx, workspace_id, chat["contact_id"])
        known = (f"{lid}@lid" if lid else "", f"{phone.removeprefix('+')}@s.whatsapp.net" if phone else "")
        return (chat["address"], *known)
