"""What the database knows of the secret key, so that no role works on it with another: digests, never a key."""

from __future__ import annotations

from blazz.cluster import moves
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError
from blazz.kit.secret_keys import SecretKeys, key_digest

_FACT = "secret_key"


def compare_keys(tx: Tx, keys: SecretKeys) -> None:
    """Refuse keys other than those of the first role that ever started, or of the change that is under way.

    While a key is changed the fact holds both: `digest` of the old one and `next`, noted by the first role that seals
    with the new one. Raises BlazzError `secret_key_differs`, `secret_key_changing`.
    """
    current = key_digest(keys.current)
    ours = {current} if keys.previous is None else {current, key_digest(keys.previous)}
    known = moves.fact(tx, _FACT)
    if known is None:
        moves.set_fact(tx, _FACT, {"digest": current})
        return
    digest, following = known.data.get("digest"), known.data.get("next")
    wanted = {digest} if following is None else {digest, following}
    if not wanted & ours:
        raise BlazzError(
            "secret_key_differs",
            "This secret key is not the one that the other roles on this database use. Set the same BLAZZ_SECRET_KEY "
            f"everywhere. If it is lost for good, what it encrypted is lost too: remove the row {_FACT!r} of "
            "the table cluster_facts, then start again.",
            500,
        )
    if not wanted <= ours:
        raise BlazzError(
            "secret_key_changing",
            "The secret key is being changed, so every role needs both keys: one as BLAZZ_SECRET_KEY, the other as "
            "BLAZZ_SECRET_KEY_PREVIOUS, until `blazz secret rotate` has ended.",
            500,
        )
    if current not in wanted:
        moves.set_fact(tx, _FACT, {"digest": digest, "next": current})


def settle_key(tx: Tx, keys: SecretKeys) -> None:
    """Note that nothing is sealed with the previous key any more."""
    moves.set_fact(tx, _FACT, {"digest": key_digest(keys.current)})
