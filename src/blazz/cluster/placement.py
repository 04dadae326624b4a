"""Where a session belongs: pure functions from ids to an instance, the same on every machine."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence


def workspace_modulo(workspace_number: int, instances: Sequence[str]) -> str:
    """Return instance `workspace_number mod n`: all numbers of a workspace on one instance.

    `instances` are ids in the order of their index; a defect (ValueError) when there is none.
    """
    if not instances:
        raise ValueError("there is no instance to choose from")
    return instances[workspace_number % len(instances)]


def rendezvous(account_id: uuid.UUID, instances: Sequence[str]) -> str:
    """Return the instance with the highest hash of (account, instance): highest random weight hashing.

    An instance that comes or goes moves only the sessions that it gains or loses.
    """
    if not instances:
        raise ValueError("there is no instance to choose from")
    return max(instances, key=lambda name: hashlib.blake2b(account_id.bytes + name.encode(), digest_size=8).digest())
