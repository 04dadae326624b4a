"""Tables of instances, of who owns which session, and of what happened to them. This room knows accounts only by id."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from blazz.kit.db import JsonDoc, Key, UtcDateTime, metadata, scoped_table

instances = Table(
    "instances",
    metadata,
    Column("id", Key(64), primary_key=True),  # a name given by the operator, or derived from the host
    Column("index", Integer(), nullable=False, unique=True),  # 0..n-1, feeds the placement formula
    Column("url", String(255), nullable=False),  # where commands are sent; empty when gateway and instance are one
    Column("generation", BigInteger(), nullable=False),  # rises at every start of the instance
    Column("renewals", BigInteger(), nullable=False),  # the counter that watchers observe
    Column("revision", BigInteger(), nullable=False),  # rises whenever the set of its sessions changes
    Column("state", Key(16), nullable=False),  # healthy | draining | stopped | dead
    Column("capacity", Integer(), nullable=False),
    Column("version", Key(32), nullable=False),
    Column("host", Key(128), nullable=False),  # machine and data directory: where an engine lock proves something
    Column("pid", Integer(), nullable=False),
    Column("engine_pid", Integer(), nullable=True),
    Column("connected", Integer(), nullable=False),  # sessions with a login, as last renewed
    Column("memory_bytes", BigInteger(), nullable=False),  # supervisor and engine host together
    Column("cpu_percent", Float(), nullable=False),  # of one core, supervisor and engine host together
    Column("storage", JsonDoc(), nullable=True),  # what its probe found out about the sessions directory
    # The last generation whose supervisor and engine host are proven gone: its sessions may move at once.
    Column("released_generation", BigInteger(), nullable=True),
    Column("client_refused_at", UtcDateTime(), nullable=True),  # WhatsApp refuses its engine host's client version
    Column("client_version", Key(32), nullable=True),  # that version
    Column("started_at", UtcDateTime(), nullable=False),
    Column("renewed_at", UtcDateTime(), nullable=False),  # for people; no decision rests on it
    Column("state_since", UtcDateTime(), nullable=True),
)

# One row per account: `id` is the account's id.
assignments = scoped_table(
    "assignments",
    Column("instance_id", Key(64), nullable=True),
    Column("generation", BigInteger(), nullable=False),  # the owner's
    Column("epoch", BigInteger(), nullable=False),  # only rises
    Column("wanted", Key(16), nullable=False),  # running | stopped: what people asked for
    Column("assigned_at", UtcDateTime(), nullable=True),
    # The engine host that used the store of the epoch before is proven gone: the store is renamed instead of copied.
    Column("previous_closed", Boolean(), nullable=False),
    Column("previous_instance_id", Key(64), nullable=True),
    Column("previous_instance_index", Integer(), nullable=True),
    Column("migration_count", Integer(), nullable=False),
    Column("last_migration_at", UtcDateTime(), nullable=True),
    # A planned move: the owner hands over as soon as it sees it.
    Column("move_to", Key(64), nullable=True),
    Column("move_reason", Key(16), nullable=True),
    Column("move_operation_id", Uuid(), nullable=True),
    # The queue of sessions whose owner is gone and that fit nowhere.
    Column("queued_at", UtcDateTime(), nullable=True),
    Column("queue_reason", String(255), nullable=True),
    UniqueConstraint("id", "epoch"),
    Index(None, "instance_id", "wanted"),
    Index(None, "move_to"),
    Index(None, "queued_at"),
)

# Every change of owner, with its reason and how long the session was away.
cluster_moves = scoped_table(
    "cluster_moves",
    Column("account_id", Uuid(), nullable=False),
    Column("epoch", BigInteger(), nullable=False),  # under the new owner
    Column("from_instance_id", Key(64), nullable=True),
    Column("to_instance_id", Key(64), nullable=False),
    Column("reason", Key(16), nullable=False),  # failover | drain | migrate | rebalance
    Column("operation_id", Uuid(), nullable=True),
    Column("away_at", UtcDateTime(), nullable=False),  # when the former owner was last known to serve it
    Column("moved_at", UtcDateTime(), nullable=False),
    Column("connected_at", UtcDateTime(), nullable=True),  # the first login under the new owner
    UniqueConstraint("account_id", "epoch"),
    Index(None, "moved_at", "id"),
    Index(None, "operation_id"),
)

# What operators (and failover) asked for, with progress: also its audit trail.
cluster_operations = Table(
    "cluster_operations",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("kind", Key(16), nullable=False),  # drain | migrate | rebalance | failover
    Column("state", Key(16), nullable=False),  # running | done | cancelled | failed
    Column("instance_id", Key(64), nullable=True),  # drained or failed instance
    Column("subject_workspace_id", Uuid(), nullable=True),  # migrated workspace
    Column("target_instance_id", Key(64), nullable=True),
    Column("mode", Key(16), nullable=True),  # of a rebalance
    Column("total", Integer(), nullable=False),
    Column("moved", Integer(), nullable=False),
    Column("waiting", Integer(), nullable=False),  # fit nowhere so far
    Column("requested_by", Uuid(), nullable=True),  # user
    Column("requested_as", Key(64), nullable=False),  # page, cli, sigterm, controller
    Column("detail", String(255), nullable=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("finished_at", UtcDateTime(), nullable=True),
    Index(None, "state", "created_at"),
    Index(None, "created_at", "id"),
)

# One row per leadership; the term rises with every new holder.
cluster_leases = Table(
    "cluster_leases",
    metadata,
    Column("name", Key(32), primary_key=True),
    Column("holder", Key(128), nullable=False),
    Column("term", BigInteger(), nullable=False),
    Column("renewals", BigInteger(), nullable=False),
    Column("taken_at", UtcDateTime(), nullable=False),
)

# What the controller knows and gateways show: `advice`, `hold`, by name.
cluster_facts = Table(
    "cluster_facts",
    metadata,
    Column("name", Key(32), primary_key=True),
    Column("data", JsonDoc(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
)

# Gateways and workers that are alive: for people and for `blazz db upgrade`. No decision of the cluster rests on it.
cluster_processes = Table(
    "cluster_processes",
    metadata,
    Column("id", Key(64), primary_key=True),
    Column("role", Key(16), nullable=False),  # gateway | worker
    Column("host", Key(128), nullable=False),
    Column("pid", Integer(), nullable=False),
    Column("version", Key(32), nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Column("renewed_at", UtcDateTime(), nullable=False),
)

# The log of the platform: instances and moves; never part of a workspace's log.
platform_heads = Table(
    "platform_heads",
    metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),  # always 1
    Column("head", BigInteger(), nullable=False),
)
platform_events = Table(
    "platform_events",
    metadata,
    Column("position", BigInteger(), primary_key=True, autoincrement=False),
    Column("id", Uuid(), nullable=False, unique=True),
    Column("name", Key(64), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("data", JsonDoc(), nullable=False),
    Column("occurred_at", UtcDateTime(), nullable=False),
    Index(None, "occurred_at"),
)
