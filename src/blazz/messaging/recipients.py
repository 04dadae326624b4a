"""Whom a message is for, under whatever it is addressed by; and whether a new number is on WhatsApp at all."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from blazz.accounts import service as accounts
from blazz.cluster.commands import OnWhatsApp, SessionCommands
from blazz.contacts import service as contacts
from blazz.contacts.resolve import Peer, resolve
from blazz.contacts.schemas import BUSINESS_ID
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError, FieldError, invalid
from blazz.kit.phones import parse_phone, phone_forms
from blazz.messaging import identities
from blazz.messaging.addresses import lid_of, phone_of
from blazz.workspaces import service as workspaces

K = TypeVar("K")
_log = structlog.get_logger(__name__)
_ASK_S = 5.0  # who sends waits for it; without an answer the message is queued, and refused later if it must be
_PER_CALL = 100
_KNOWN_S = 600.0
_ABSENT_S = 300.0  # people join WhatsApp
_REMEMBERED = 50_000
_BUSINESS_ID = re.compile(BUSINESS_ID)


def contact_of(tx: Tx, to: str, field: str = "to") -> uuid.UUID:
    """Return the contact that a number, WhatsApp address, `@username` or business-scoped id stands for.

    A number or an address that nobody has yet makes a contact. Raises BlazzError `invalid_phone`, `invalid_address`,
    or `unknown_recipient` for a username or business-scoped id that no contact has (all 422).
    """
    if to.startswith("@"):
        return _known(tx, "username", to[1:].lower(), field)
    if _BUSINESS_ID.fullmatch(to):
        return _known(tx, "business_id", to, field)
    if "@" not in to:
        return contacts.ensure_by_phone(tx, parse_phone(to, _country(tx, to), field=field))
    phone, lid = phone_of(to), lid_of(to)
    if phone is not None:
        return contacts.ensure_by_phone(tx, phone)
    if lid is None:
        text = "Not the WhatsApp address of a person; expected ...@s.whatsapp.net or ...@lid."
        raise invalid(text, code="invalid_address", errors=[FieldError(field, text, "invalid_address")])
    peer = Peer(tx.workspace_id, None, lid, reason="team")
    return resolve(tx, [peer]).contact_ids[peer]


def _known(tx: Tx, kind: str, value: str, field: str) -> uuid.UUID:
    found = contacts.with_identifier(tx, kind, value)
    if found is None:
        what = "username" if kind == "username" else "business-scoped id"
        text = f"No contact has this {what}. Write to a number first, or set the {what} on a contact."
        raise invalid(text, code="unknown_recipient", errors=[FieldError(field, text, "unknown_recipient")])
    return found


def _country(tx: Tx, typed: str) -> str:
    return "" if typed.startswith("+") else workspaces.default_country(tx, tx.workspace_id)


class Addressed(Protocol):
    """A message to send, as far as its recipient is concerned."""

    @property
    def to(self) -> str: ...

    @property
    def account_id(self) -> uuid.UUID | None: ...


@dataclass(frozen=True, slots=True)
class _Stranger:
    """A number that no message has gone to yet, and the connected account that can ask about it."""

    place: int
    account_id: uuid.UUID
    phone: str


class RecipientCheck:
    """Asks WhatsApp about new numbers before anything is queued for them. What it says is remembered for minutes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[uuid.UUID, uuid.UUID | None, str], float] = OrderedDict()
        self._absent: OrderedDict[tuple[uuid.UUID, str], float] = OrderedDict()

    async def refused(
        self, database: Database, commands: SessionCommands, scope: Workspace, requests: Sequence[Addressed]
    ) -> dict[int, BlazzError]:
        """Return `recipient_not_on_whatsapp` (422) by place for messages to numbers without WhatsApp.

        Where nobody can be asked now there is no refusal. What WhatsApp tells of a number is learned: the form of the
        number that it uses, and the LID.
        """
        now = time.monotonic()
        asked = [
            place
            for place, request in enumerate(requests)
            if self._known.get((scope.id, request.account_id, request.to), 0.0) < now
        ]
        if not asked:
            return {}
        strangers = await database.read(scope, _strangers, [(place, requests[place]) for place in asked])
        absent: dict[int, BlazzError] = {}
        by_account: dict[uuid.UUID, list[_Stranger]] = defaultdict(list)
        for stranger in strangers:
            if self._absent.get((stranger.account_id, stranger.phone), 0.0) > now:
                absent[stranger.place] = _not_on_whatsapp()
            else:
                by_account[stranger.account_id].append(stranger)
        undecided: set[int] = set()
        peers: list[Peer] = []
        for account_id, group in by_account.items():
            found = await _ask(commands, account_id, [stranger.phone for stranger in group])
            for stranger in group:
                if found is None:
                    undecided.add(stranger.place)
                    continue
                told = found.get(stranger.phone)
                if told is None:
                    absent[stranger.place] = _not_on_whatsapp()
                    _remember(self._absent, (account_id, stranger.phone), now + _ABSENT_S)
                else:
                    phone = phone_of(told.jid or "") or told.phone
                    peers.append(Peer(scope.id, phone, lid_of(told.lid or ""), reason="lookup"))
        if peers:
            await database.write(scope, identities.learn, peers)
        for place in asked:
            if place not in absent and place not in undecided:
                key = (scope.id, requests[place].account_id, requests[place].to)
                _remember(self._known, key, now + _KNOWN_S)
        return absent


def _strangers(tx: Tx, requests: Sequence[tuple[int, Addressed]]) -> list[_Stranger]:
    """Return the messages whose recipient is known by number only, on accounts that are connected."""
    phones: dict[int, str] = {}
    ids: dict[int, uuid.UUID] = {}
    for place, request in requests:
        known_id = as_uuid(request.to)
        if known_id is not None:
            ids[place] = known_id
        elif (phone := _phone(tx, request.to)) is not None:
            phones[place] = phone
    have = contacts.with_phones(tx, phones.values()) if phones else {}
    people = {*have.values(), *ids.values()}
    known = contacts.identifiers(tx, [tx.workspace_id], people) if people else {}
    for place, contact_id in ids.items():  # also ids of chats, which are no contact's
        if "phone" in known.get(contact_id, {}):
            phones[place] = known[contact_id]["phone"]
            have[phones[place]] = contact_id
    senders: dict[uuid.UUID | None, uuid.UUID | None] = {}
    found = []
    for place, request in requests:
        phone = phones.get(place)
        if phone is None or (phone in have and "lid" in known.get(have[phone], {})):
            continue
        if request.account_id not in senders:
            senders[request.account_id] = _connected(tx, request.account_id)
        sender = senders[request.account_id]
        if sender is not None:
            found.append(_Stranger(place, sender, phone))
    return found


def _phone(tx: Tx, to: str) -> str | None:
    if "@" in to:
        return phone_of(to)
    try:
        return None if _BUSINESS_ID.fullmatch(to) else parse_phone(to, _country(tx, to))
    except BlazzError:
        return None  # told when the message is to be queued


def _connected(tx: Tx, account_id: uuid.UUID | None) -> uuid.UUID | None:
    try:
        row = accounts.for_sending(tx, account_id)
    except BlazzError:
        return None
    return row["id"] if row["status"] == "connected" else None


async def _ask(
    commands: SessionCommands, account_id: uuid.UUID, phones: Sequence[str]
) -> Mapping[str, OnWhatsApp] | None:
    """Return what WhatsApp says of those numbers that it knows in any form; None when it cannot be asked."""
    form_of = {form: phone for phone in phones for form in phone_forms(phone)}
    forms = list(form_of)
    found: dict[str, OnWhatsApp] = {}
    try:
        async with asyncio.timeout(_ASK_S):
            for start in range(0, len(forms), _PER_CALL):
                for told in await commands.on_whatsapp(account_id, forms[start : start + _PER_CALL]):
                    if told.registered:
                        found.setdefault(form_of[told.phone], told)
    except (BlazzError, TimeoutError) as error:
        _log.debug("recipients not checked", account=str(account_id), error=str(error)[:200])
        return None
    return found


def _remember(cache: OrderedDict[K, float], key: K, until: float) -> None:
    cache[key] = until
    cache.move_to_end(key)
    while len(cache) > _REMEMBERED:
        cache.popitem(last=False)


def _not_on_whatsapp() -> BlazzError:
    text = "This number is not on WhatsApp."
    return invalid(text, code="recipient_not_on_whatsapp", errors=[FieldError("to", text, "not_on_whatsapp")])


def as_uuid(text: str) -> uuid.UUID | None:
    """Return the id that a text is, None for anything else."""
    try:
        return uuid.UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
