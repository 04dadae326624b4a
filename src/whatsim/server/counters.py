"""What is counted since the process started."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Plain numbers; `unknown` counts stanzas that nothing handles, by a short description."""

    logins: int = 0
    login_refusals: int = 0
    registrations: int = 0
    replaced: int = 0
    messages: int = 0
    receipts: int = 0
    acks_lost: int = 0
    duplicates: int = 0
    stanzas_from_older_connection: int = 0
    logins_below_epoch: int = 0
    replaced_living: int = 0
    decrypt_failures: int = 0
    retry_requests: int = 0
    uploads: int = 0
    downloads: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def count_unknown(self, what: str) -> None:
        """Count an unhandled stanza; at most 200 different ones are told apart."""
        if what not in self.unknown and len(self.unknown) >= 200:
            what = "(others)"
        self.unknown[what] += 1
