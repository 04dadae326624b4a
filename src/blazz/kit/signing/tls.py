"""TLS of internal calls, where it is wanted: who the other end is, and that nobody reads along."""

from __future__ import annotations

import ssl
from pathlib import Path

from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings


def caller_tls(settings: Settings) -> ssl.SSLContext:
    """Return what a caller checks a receiver with, and shows of itself if it has a certificate."""
    ca, cert, key = settings.internal_tls_ca, settings.internal_tls_cert, settings.internal_tls_key
    _check_readable(ca, cert, key)
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        if cert is not None:
            context.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise BlazzError(
            "internal_tls_wrong", f"The TLS files of internal calls cannot be used: {error}", 500
        ) from None
    return context


def uses_tls(settings: Settings) -> bool:
    """Whether the receiver's port speaks TLS. Raises BlazzError `internal_tls_wrong` when only half is configured."""
    if settings.internal_tls_cert is None and settings.internal_tls_ca is not None:
        raise BlazzError("internal_tls_wrong", "BLAZZ_INTERNAL_TLS_CA needs BLAZZ_INTERNAL_TLS_CERT as well.", 500)
    _check_readable(settings.internal_tls_ca, settings.internal_tls_cert, settings.internal_tls_key)
    return settings.internal_tls_cert is not None


def _check_readable(*files: Path | None) -> None:
    for file in files:
        if file is not None and not file.is_file():
            raise BlazzError("internal_tls_wrong", f"There is no file {file} (BLAZZ_INTERNAL_TLS_*).", 500)
