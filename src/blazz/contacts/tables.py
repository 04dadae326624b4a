"""Tables of contacts: people, the identifiers under which they are known, and what was learned about them when."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, UniqueConstraint, Uuid

from blazz.kit.db import JsonDoc, Key, UtcDateTime, same_workspace, scoped_table

contacts = scoped_table(
    "contacts",
    Column("name", String(128), nullable=True),  # given by the team
    Column("push_name", String(128), nullable=True),  # chosen by the person on WhatsApp
    Column("book_name", String(128), nullable=True),  # in the address book of the phone of one of our numbers
    Column("verified_name", String(128), nullable=True),  # of a business, as WhatsApp has verified it
    Column("about", String(255), nullable=True),
    Column("business", JsonDoc(), nullable=True),  # address, email, categories, hours; as WhatsApp tells
    Column("profile_checked_at", UtcDateTime(), nullable=True),  # when WhatsApp was last asked about them
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Index(None, "workspace_id", "created_at"),
)

contact_identifiers = scoped_table(
    "contact_identifiers",
    Column("contact_id", Uuid(), nullable=False),
    Column("kind", Key(16), nullable=False),  # phone | lid | username | business_id
    Column("value", Key(64), nullable=False),  # phone: E.164 with plus; lid: digits
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "kind", "value"),
    same_workspace("contact_id", "contacts"),
    Index(None, "workspace_id", "contact_id"),
)

# What was learned of who somebody is, and why. A merged contact's entries go on under the one that is left.
contact_history = scoped_table(
    "contact_history",
    Column("contact_id", Uuid(), nullable=False),
    Column("event", Key(32), nullable=False),  # see contacts.history
    Column("reason", Key(16), nullable=False),  # message | lookup | history | team
    Column("data", JsonDoc(), nullable=False),
    Column("user_id", Uuid(), nullable=True),  # who of the team did it
    Column("created_at", UtcDateTime(), nullable=False),
    same_workspace("contact_id", "contacts"),
    Index(None, "workspace_id", "contact_id", "created_at"),
)

contact_pictures = scoped_table(
    "contact_pictures",
    Column("contact_id", Uuid(), nullable=False),
    Column("media_id", Uuid(), nullable=True),  # null: they have none, or do not show it
    Column("picture_id", Key(64), nullable=True),  # WhatsApp's; tells whether it is another one
    Column("checked_at", UtcDateTime(), nullable=True),  # null: known to have changed, look again
    UniqueConstraint("workspace_id", "contact_id"),
    same_workspace("contact_id", "contacts"),
    same_workspace("media_id", "media", ondelete="NO ACTION"),
)

# Whom a number has blocked.
contact_blocks = scoped_table(
    "contact_blocks",
    Column("contact_id", Uuid(), nullable=False),
    Column("account_id", Uuid(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "account_id", "contact_id"),
    same_workspace("contact_id", "contacts"),
    same_workspace("account_id", "accounts"),
    Index(None, "workspace_id", "contact_id"),
)

# What a number's phone knows of people, be they contacts here or not. Of contacts, `contact_blocks` has the blocks.
phone_people = scoped_table(
    "phone_people",
    Column("account_id", Uuid(), nullable=False),
    Column("address", Key(64), nullable=False),  # ...@lid or ...@s.whatsapp.net
    Column("book_name", String(128), nullable=True),  # in the phone's address book
    Column("blocked_at", UtcDateTime(), nullable=True),
    UniqueConstraint("workspace_id", "account_id", "address"),
    same_workspace("account_id", "accounts"),
    Index(None, "workspace_id", "address"),
)
