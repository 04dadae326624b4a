"""Which addresses a fetch may reach: public unicast only, whatever name or number form leads there."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]

WEB_PORTS = frozenset({80, 443, 8080, 8443})

# What IANA's special-purpose registries (RFC 6890) hold; named here because Python's own lists differ by version.
_SPECIAL_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # public by its number, but one cloud's own service inside every machine there
    )
)
# Of IPv6 only global unicast; in it, what carries an IPv4 address to somewhere else (6to4, Teredo) and examples.
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public internet: no private, loopback, link-local or special one."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    return address in _GLOBAL_6 and not any(address in network for network in _SPECIAL_6)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host by the system's resolver. Raises OSError when there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be reached. Only tests give other values than these."""

    allows: Callable[[Address], bool] = is_public
    ports: frozenset[int] | None = WEB_PORTS
    resolve: Resolver = resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the checked addresses of a host, each once. Empty when any of them may not be reached.

        One forbidden address among public ones is how a hostile name server leads a second look-up inside; such a
        host is refused whole. Raises OSError when the host has no address.
        """
        found = list(dict.fromkeys(await self.resolve(host, port)))
        try:
            allowed = bool(found) and all(self.allows(ipaddress.ip_address(item)) for item in found)
        except ValueError:  # a zone index: never public
            allowed = False
        return found if allowed else []
