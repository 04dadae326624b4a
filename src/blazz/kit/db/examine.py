"""Whether a database server can be trusted with our data: its version, its character set, and what a power cut costs.

Acknowledged means fsynced. A server that is set to lose acknowledged commits is refused, naming the settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

from blazz.kit.errors import BlazzError

_OLDEST = {"postgresql": (14, 0), "mariadb": (10, 11), "mysql": (8, 0)}
"""PostgreSQL: the oldest that is maintained. MariaDB: sorts UUIDs of version 7 by their bytes. MySQL: binary collations
without padding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A setting that puts acknowledged commits at risk."""

    setting: str
    value: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.setting} is {self.value}, it must be {self.wanted}"


def durability_findings(connection: Connection) -> list[Finding]:
    """Return the settings of the server that let a power cut take acknowledged commits; empty when there are none."""
    wanted: dict[str, tuple[str, ...]]
    if connection.dialect.name == "postgresql":
        wanted = {"fsync": ("on",), "full_page_writes": ("on",)}
        if not str(_shown(connection, "synchronous_commit")).startswith(("on", "remote_apply")):
            # our sessions say `on` themselves; a server that does not let them is set up against us
            wanted["synchronous_commit"] = ("on", "remote_apply")
        found = {name: _shown(connection, name) for name in wanted}
    else:
        wanted = {
            "innodb_flush_log_at_trx_commit": ("1",),
            "innodb_doublewrite": ("ON", "1", "DETECT_AND_RECOVER"),
        }
        found = _variables(connection, *wanted, "log_bin", "sync_binlog", "innodb_flush_method")
        if found.get("log_bin", "OFF").upper() in ("ON", "1"):
            wanted["sync_binlog"] = ("1",)
        if found.get("innodb_flush_method", "").lower() in ("nosync", "littlesync", "o_direct_no_fsync"):
            wanted["innodb_flush_method"] = ("O_DIRECT", "fsync")
        if "innodb_doublewrite" not in found:
            del wanted["innodb_doublewrite"]
    return [
        Finding(name, found.get(name, "unknown"), good[0])
        for name, good in wanted.items()
        if found.get(name, "unknown").upper() not in {value.upper() for value in good}
    ]


def version_of(connection: Connection) -> str:
    """Return the server's name and version, for people."""
    said = str(connection.execute(text("SELECT version()")).scalar_one())
    if connection.dialect.name == "postgresql":
        return said.partition(" on ")[0]
    return f"MariaDB {said.partition('-')[0]}" if "mariadb" in said.lower() else f"MySQL {said}"


def refuse_unsuitable(connection: Connection) -> None:
    """Raise BlazzError `database_unsuitable` when the server is too old, of another kind, or set up for other text."""
    said = version_of(connection)
    name = connection.dialect.name
    kind = {"PostgreSQL": "postgresql", "MariaDB": "mariadb"}.get(said.partition(" ")[0], name)
    if kind != name:
        raise _unsuitable(f"The server is {said}: its address begins with {kind}://.")
    numbers = re.search(r"(\d+)\.(\d+)", said)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if version < _OLDEST[name]:
        oldest = ".".join(map(str, _OLDEST[name]))
        raise _unsuitable(f"The server is {said}; Blazz needs {oldest} or newer.")
    if name == "postgresql":
        encoding = _shown(connection, "server_encoding")
        if encoding != "UTF8":
            raise _unsuitable(f"The database is encoded in {encoding}: create it WITH ENCODING 'UTF8'.")
        if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
            raise _unsuitable("The server is a standby, which cannot be written to.")
        return
    found = _variables(connection, "character_set_database", "default_storage_engine", "read_only")
    if found["character_set_database"] != "utf8mb4":
        raise _unsuitable(
            f"The database's character set is {found['character_set_database']}: create it CHARACTER SET utf8mb4."
        )
    if found["default_storage_engine"].lower() != "innodb":
        raise _unsuitable(f"default_storage_engine is {found['default_storage_engine']}; it must be InnoDB.")


def refuse_unsafe(connection: Connection, *, allow: bool) -> list[Finding]:
    """Raise BlazzError `unsafe_durability` unless the server keeps what it acknowledged, or that is allowed."""
    findings = durability_findings(connection)
    if findings and not allow:
        told = "; ".join(map(str, findings))
        raise BlazzError(
            "unsafe_durability",
            f"The database server may lose acknowledged messages in a power cut: {told}. Change it there, or set"
            " BLAZZ_ALLOW_UNSAFE_DURABILITY=1 where data does not matter.",
            500,
        )
    return findings


def _shown(connection: Connection, name: str) -> str:
    return str(connection.execute(text(f"SHOW {name}")).scalar_one())


def _variables(connection: Connection, *names: str) -> dict[str, str]:
    listed = ", ".join(f"'{name}'" for name in names)
    rows = connection.execute(text(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"))
    found = {str(name): str(value) for name, value in rows}
    if "character_set_database" in names:
        here = connection.execute(text("SELECT @@character_set_database")).scalar_one()
        found["character_set_database"] = str(here)
    return found


def _unsuitable(detail: str) -> BlazzError:
    return BlazzError("database_unsuitable", detail, 500)
