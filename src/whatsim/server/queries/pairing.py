"""Linking by code and with a passkey, and a companion's own logout."""

from __future__ import annotations

from whatsim.server.queries.query import Query
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import parse_jid


def handle(query: Query) -> bool:
    """Namespace `md`."""
    match query.child.tag:
        case "link_code_companion_reg":
            return _link_code(query)
        case "remove-companion-device":
            device = query.device
            query.durable_result()
            query.core.linking.unlink(device)
        case _:
            return _passkey(query)
    return True


def _passkey(query: Query) -> bool:
    try:
        answer = query.core.passkeys.answer(query.connection, query.child)
    except WireError as error:
        query.error("400", str(error))
        return True
    if answer is None:
        return False
    query.result(answer)
    return True


def _link_code(query: Query) -> bool:
    stage = query.child
    number = parse_jid(stage.attr("jid")).user
    linking = query.core.linking
    match stage.attrs.get("stage"):
        case "companion_hello":
            wrapped = stage.data("link_code_pairing_wrapped_companion_ephemeral_pub")
            ref = linking.companion_hello(query.connection, number, wrapped)
            if ref is None:
                query.error("404", "item-not-found")
            else:
                child = Node("link_code_pairing_ref", {}, ref)
                query.result([Node("link_code_companion_reg", {"stage": "companion_hello"}, [child])])
        case "companion_finish":
            # The answer first: what follows is the next step for the client.
            query.result()
            bundle = stage.data("link_code_pairing_wrapped_key_bundle")
            linking.companion_finish(query.connection, number, bundle, stage.data("companion_identity_public"))
        case _:
            return False
    return True
