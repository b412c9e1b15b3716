"""Allowed targets of callbacks: addresses of the public internet and networks that the operator has allowed.

A callback URL could point at our own database, a router or a cloud's metadata service. Its spelling proves nothing
(127.0.0.1 is also 2130706433, 0x7f.1, 0177.0.0.1, 127.1 and ::ffff:7f00:1), and a name may resolve differently at
each query. So the name is resolved once, every address is checked as a number, and the connection goes to a checked
address.

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

_UNICAST6 = ip_network("2000::/3")  # all global unicast addresses
# Exceptions within 2000::/3: tunnels that carry an IPv4 address (Teredo, 6to4) and unroutable networks. `is_global`
# covers private, shared (CGNAT) and documentation networks, but not these in every Python version.
_NOT_PUBLIC = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)


class ForbiddenAddressError(Exception):
    """The name resolves to an address that callbacks may not use."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is an address of the public internet that does not embed another address."""
    if isinstance(address, IPv6Address) and address not in _UNICAST6:
        return False  # also excludes IPv4 inside IPv6: mapped, compatible, translated (NAT64)
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def resolve(host: str, port: int, allowed: Sequence[Network] = ()) -> str:
    """The address to connect to. Raises ForbiddenAddressError if any address is forbidden, OSError without address."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label is empty or too long
        raise OSError(f"not a host name: {error}") from None
    addresses = [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
    for address in addresses:
        if not is_public(address) and not any(address in network for network in allowed):
            raise ForbiddenAddressError(f"{address} is not an address of the public internet")
    return str(addresses[0])


def check_callback(url: str, allowed: Sequence[Network]) -> None:
    """Check a callback URL when it is set. Raises AntispamError for a forbidden address.

    An unresolvable name is accepted, because it may resolve later. Each post checks the address again.
    """
    try:
        asyncio.run(resolve(httpx.URL(url).host, 0, allowed))
    except httpx.InvalidURL as error:
        raise AntispamError(f"callback address: {error}") from None
    except ForbiddenAddressError as error:
        raise AntispamError(f"callback address: {error}; ANTISPAM_CALLBACK_NETWORKS allows others") from None
    except OSError:
        return
