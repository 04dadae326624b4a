"""Addresses of database servers, as operators write them, and what the drivers want to be told.

    postgresql://user:password@host:5432/database        also postgres://
    postgresql://user@/database?host=/run/postgresql     a Unix socket (its directory)
    mariadb://user:password@host:3306/database           mysql:// for MySQL
    mariadb://user@localhost/database?unix_socket=/run/mysqld/mysqld.sock

TLS: `?sslmode=require` (encrypted), `verify-ca`, `verify-full` (certificate and name are checked), with
`sslrootcert`, `sslcert` and `sslkey` naming files; `?ssl=true` is `require`.
"""

from __future__ import annotations

import ssl
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from blazz.kit.errors import BlazzError

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "mariadb": "mariadb+asyncmy",
}
_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
_TLS_KEYS = ("ssl", "sslmode", "ssl_mode", "ssl-mode", "sslrootcert", "ssl_ca", "sslcert", "sslkey")


def server_url(text: str) -> URL:
    """Return the address with its driver. Raises BlazzError `database_url_invalid`, which never repeats a password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise _invalid("It is not an address like postgresql://user:password@host/database.") from None
    driver = _DRIVERS.get(url.drivername.partition("+")[0])
    if driver is None:
        raise _invalid(f"{url.drivername}:// is not known; postgresql://, mariadb:// and mysql:// are.")
    if not url.database:
        raise _invalid("It names no database: postgresql://user:password@host/database.")
    return url.set(drivername=driver)


def libpq_url(text: str) -> str:
    """Return the address of a PostgreSQL server as PostgreSQL's own library and its like write it.

    Raises BlazzError `database_url_invalid`, and `database_not_postgresql` for another kind of server.
    """
    url = server_url(text)
    if url.get_backend_name() != "postgresql":
        raise BlazzError("database_not_postgresql", "BLAZZ_DATABASE_URL names no PostgreSQL server.", 500)
    given = {key: str(value) for key, value in url.query.items()}
    mode = given.get("sslmode") or given.get("ssl_mode") or given.get("ssl-mode") or given.get("ssl")
    mode = {"true": "require", "1": "require", "false": "disable", "0": "disable"}.get(mode or "", mode)
    query = {
        "host": given.get("host"),
        "port": given.get("port"),
        "sslmode": mode,
        "sslrootcert": given.get("sslrootcert") or given.get("ssl_ca"),
        "sslcert": given.get("sslcert"),
        "sslkey": given.get("sslkey"),
    }
    url = url.set(drivername="postgresql", query={key: value for key, value in query.items() if value})
    return url.render_as_string(hide_password=False)


def split_tls(url: URL) -> tuple[URL, dict[str, Any]]:
    """Take what concerns TLS out of the address; returns the driver's argument for it. Raises as `server_url`."""
    query = dict(url.query)
    given = {key: str(query.pop(key)) for key in _TLS_KEYS if key in query}
    url = url.set(query=query)
    mode = given.get("sslmode") or given.get("ssl_mode") or given.get("ssl-mode") or given.get("ssl")
    if mode is None and not given:
        return url, {}
    mode = {"true": "require", "1": "require", "false": "disable", "0": "disable", None: "require"}.get(mode, mode)
    mode = str(mode).lower().replace("_", "-")
    if mode not in _MODES:
        raise _invalid(f"sslmode is one of {', '.join(_MODES)}.")
    if mode == "disable":
        return url, {"ssl": False} if url.get_backend_name() == "postgresql" else {}
    if mode == "prefer":
        return url, {"ssl": "prefer"} if url.get_backend_name() == "postgresql" else {}
    return url, {"ssl": _context(mode, given)}


def _context(mode: str, given: dict[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=given.get("sslrootcert") or given.get("ssl_ca"))
        if "sslcert" in given:
            context.load_cert_chain(given["sslcert"], given.get("sslkey"))
    except OSError as error:
        raise _invalid(f"A certificate file of it cannot be read: {error}.") from None
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


def _invalid(detail: str) -> BlazzError:
    return BlazzError("database_url_invalid", f"BLAZZ_DATABASE_URL cannot be used. {detail}", 500)
