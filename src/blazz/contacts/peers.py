"""Somebody on WhatsApp as a message or a look-up tells of them, and what follows for contacts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["message", "lookup", "history", "team"]
"""Where something was learned: a message, an answer of WhatsApp's, a phone's history, somebody of the team."""

IDENTIFIER_KINDS = ("phone", "lid", "username", "business_id")


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody on WhatsApp: at least one of `phone` (E.164 with plus) and `lid` (digits) is known.

    What the team types is not a form that WhatsApp has confirmed: it never replaces one.
    """

    workspace_id: uuid.UUID
    phone: str | None
    lid: str | None
    push_name: str | None = None
    reason: Reason = "message"


@dataclass(frozen=True, slots=True)
class Merge:
    """Two contacts found to be one: everything of `loser` belongs to `winner`."""

    workspace_id: uuid.UUID
    winner: uuid.UUID
    loser: uuid.UUID
    reason: Reason = "message"


@dataclass(slots=True)
class Resolution:
    """The contact of each peer, and what must be moved or re-keyed because of what was learned."""

    contact_ids: dict[Peer, uuid.UUID] = field(default_factory=dict)
    identifiers: dict[uuid.UUID, dict[str, str]] = field(default_factory=dict)
    """All that is known of each of these contacts, by kind."""
    merges: list[Merge] = field(default_factory=list)
    learned_lids: list[tuple[uuid.UUID, uuid.UUID, str, str]] = field(default_factory=list)
    """(workspace, contact, phone, lid) of mappings that were not known before."""
    handed_over: list[tuple[uuid.UUID, uuid.UUID, str, str]] = field(default_factory=list)
    """(workspace, former contact, phone, the former contact's lid) of numbers that now belong to somebody else."""
    renumbered: list[tuple[uuid.UUID, uuid.UUID, str, str]] = field(default_factory=list)
    """(workspace, contact, former phone, phone) of contacts that have another number, or another form of it."""
