"""Where a callback may go: to addresses of the public internet, and to networks an operator has allowed.

An address that an owner gave could be our own database, a router or a cloud's metadata service. Its spelling says
nothing (127.0.0.1 is also 2130706433, 0x7f.1, 0177.0.0.1, 127.1 and ::ffff:7f00:1), and a name may lead elsewhere at
each question. So the name is resolved once, every address is looked at as a number, and the connection is made to
the address that was looked at.

Source: the registries of special-purpose addresses of IPv4 and IPv6 (RFC 6890 and its successors).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from pipeline.errors import AntispamError

Network = IPv4Network | IPv6Network

_UNICAST6 = ip_network("2000::/3")  # all that is given out for use
# Inside it: tunnels that carry an IPv4 address (Teredo, 6to4) and what leads nowhere. Private, shared (CGNAT) and
# documentation networks are known to `is_global`; these are not, or not in every Python.
_REFUSED = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)


class ForbiddenAddressError(Exception):
    """The name leads to an address that may not be posted to."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, written as itself."""
    if isinstance(address, IPv6Address) and address not in _UNICAST6:
        return False  # also IPv4 inside IPv6: mapped, compatible, translated (NAT64)
    if any(address in network for network in _REFUSED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def resolve(host: str, port: int, allowed: Sequence[Network] = ()) -> str:
    """The address to connect to. Raises ForbiddenAddressError if any is forbidden, OSError if there is none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is too long, or none
        raise OSError(f"not a host name: {error}") from None
    addresses = [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
    for address in addresses:
        if not is_public(address) and not any(address in network for network in allowed):
            raise ForbiddenAddressError(f"{address} is not an address of the public internet")
    return str(addresses[0])


def refuse(url: str, allowed: Sequence[Network]) -> None:
    """Tell at once whoever sets an address that it will never be posted to: raises AntispamError.

    A name that leads nowhere now may do so later; what it leads to is looked at again at each post.
    """
    try:
        asyncio.run(resolve(httpx.URL(url).host, 0, allowed))
    except httpx.InvalidURL as error:
        raise AntispamError(f"callback address: {error}") from None
    except ForbiddenAddressError as error:
        raise AntispamError(f"callback address: {error}; ANTISPAM_CALLBACK_NETWORKS allows others") from None
    except OSError:
        return
