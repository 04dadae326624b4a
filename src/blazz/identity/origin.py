"""Whether a browser's request comes from our own pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from blazz.kit.errors import forbidden
from blazz.kit.settings import Settings

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def same_origin(connection: HTTPConnection, settings: Settings) -> bool:
    """Tell whether `Origin` names this host or the public address. Without the header no browser is asking: True."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    asked = _place(origin)
    if asked is None:
        return False
    scheme = "https" if connection.url.scheme in ("https", "wss") else "http"
    here = _place(f"{scheme}://{connection.headers.get('host', '')}")
    public = _place(settings.public_url) if settings.public_url else None
    # behind a proxy that ends TLS we see http: host and port decide, the scheme only gives the default port
    return asked in (here, public) or (here is not None and asked[0] == here[0] and _same_default(asked, here))


def require_same_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Raise BlazzError `cross_origin` (403) for a request that another site's page makes."""
    if not same_origin(connection, settings):
        raise forbidden("This request comes from another site.", code="cross_origin")


def _place(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            return None
        return parts.hostname.lower(), parts.port or _PORTS[parts.scheme]
    except ValueError:
        return None


def _same_default(asked: tuple[str, int], here: tuple[str, int]) -> bool:
    return {asked[1], here[1]} <= {80, 443}
