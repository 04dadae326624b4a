"""Somebody who sees the programs behind the connections tells the network of epochs and of living connections."""

from __future__ import annotations

import pytest

from tests.whatsim.companion import Companion
from whatsim.model import Login, Observed
from whatsim.network import Network

pytestmark = pytest.mark.anyio


async def test_logins_under_a_lower_epoch_are_counted(wire_network: Network, shop: str, companion: Companion) -> None:
    seen: list[Login] = []
    epochs = [4, 4, 5, 3, None, 4, 5]

    def witness(login: Login) -> Observed:
        seen.append(login)
        return Observed(epochs[len(seen) - 1])

    wire_network.watch_logins(witness)
    await companion.close()
    for _ in epochs:
        await companion.connect()
        await companion.node("success")
        await companion.close()
    assert {(login.number, login.device) for login in seen} == {(shop, 1)}
    assert len({login.ends.client for login in seen}) == len(epochs)
    assert {"{}:{}".format(*login.ends.network) for login in seen} == {wire_network.wire_address}
    assert wire_network.stats().logins_below_epoch == 2, "3 and 4 came after 5"


async def test_a_replaced_connection_that_lives_is_counted(
    wire_network: Network, shop: str, companion: Companion
) -> None:
    seen: list[Login] = []

    def witness(login: Login) -> Observed:
        seen.append(login)
        return Observed(replaced_lives=login.replaced is not None)

    wire_network.watch_logins(witness)
    older = companion._writer  # kept, or it would be closed
    await companion.login()
    await companion.node("stream:error")
    assert older is not companion._writer
    stats = wire_network.stats()
    assert (stats.replaced, stats.replaced_living) == (1, 1)
    (login,) = seen
    assert login.replaced is not None
    assert login.replaced != login.ends
