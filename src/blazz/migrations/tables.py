"""Imports every table, so that the metadata is whole."""

from blazz.accounts import tables as accounts
from blazz.cluster import tables as cluster
from blazz.contacts import tables as contacts
from blazz.events import tables as events
from blazz.groups import tables as groups
from blazz.identity import tables as identity
from blazz.kit.db import installation
from blazz.kit.http import idempotency
from blazz.media import tables as media
from blazz.messaging import state_tables as messaging_state
from blazz.messaging import tables as messaging
from blazz.workspaces import tables as workspaces

__all__ = [
    "accounts",
    "cluster",
    "contacts",
    "events",
    "groups",
    "idempotency",
    "identity",
    "installation",
    "media",
    "messaging",
    "messaging_state",
    "workspaces",
]
