"""The engine host's tables in PostgreSQL, as far as we look at them; it makes them and changes them by itself."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text

SCHEMA = "blazz_sessions"

session_stores = Table(
    "session_stores",
    MetaData(schema=SCHEMA),  # not ours to migrate
    Column("session_id", Text(), primary_key=True),  # an account's id
    Column("epoch", BigInteger(), nullable=False),
    Column("store", BigInteger(), nullable=False),
    Column("jid", Text()),
    Column("opened_at", DateTime(timezone=True)),
)

catalogue = Table("pg_tables", MetaData(schema="pg_catalog"), Column("schemaname", Text()), Column("tablename", Text()))
