"""The two cookies of a signed-in browser."""

from __future__ import annotations

from starlette.responses import Response

from blazz.identity.authentication import CSRF_COOKIE, SESSION_COOKIE
from blazz.identity.sessions import SESSION_TTL
from blazz.kit.settings import Settings

_MAX_AGE_S = int(SESSION_TTL.total_seconds())


def set_cookies(response: Response, settings: Settings, *, token: str, csrf_token: str) -> None:
    """Keep the session in the browser: its token out of reach of scripts, the CSRF token readable by ours."""
    secure = is_https(settings)
    response.set_cookie(SESSION_COOKIE, token, _MAX_AGE_S, httponly=True, samesite="lax", secure=secure)
    response.set_cookie(CSRF_COOKIE, csrf_token, _MAX_AGE_S, httponly=False, samesite="lax", secure=secure)


def clear_cookies(response: Response, settings: Settings) -> None:
    """Take both cookies back."""
    for name in (SESSION_COOKIE, CSRF_COOKIE):
        response.delete_cookie(name, httponly=name == SESSION_COOKIE, samesite="lax", secure=is_https(settings))


def is_https(settings: Settings) -> bool:
    """Tell whether people reach this server by https."""
    return (settings.public_url or "").startswith("https://")
