"""The account of a port's links: who may log in, from where, how often, and how fast it may send."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address

import msgspec

_LARGEST_REQUEST = 254  # recipients of one request (SMPP submit_multi); a slower account must be able to send one


class Refusal(Enum):
    """Why a login is refused."""

    PROOF = "proof"  # of the secret; or an unknown account: the client is not told which
    ADDRESS = "address"
    LINKS = "links"
    VERSION = "version"
    LOCKED = "locked"  # after several wrong logins (attempts.py)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """`port`: the registered port it sends for. `rate`: parts a second over all links. `window`: requests of one link
    without an answer. `smpp_ascii`: its data_coding 0 is ASCII, not the GSM alphabet. `sgip_deliver`:
    host:port on which its SGIP takes reports and replies; empty: none.
    """

    name: str
    port: str
    secret: bytes
    addresses: tuple[IPv4Network | IPv6Network, ...]
    links: int = 1
    rate: float = 100.0
    window: int = 16
    smpp_ascii: bool = False
    sgip_deliver: str = ""

    def allows(self, address: str) -> bool:
        """Whether its links may come from this address."""
        client = ip_address(address)
        return any(client in network for network in self.addresses)


class Usage:
    """What the links of one account use together. Time is an argument (seconds)."""

    def __init__(self, account: Account, now: float) -> None:
        self.account = account
        self.links = 0
        self._tokens, self._at = account.rate, now

    def refusal(self, address: str) -> Refusal | None:
        """Whether a further link from this address is refused, and why."""
        if not self.account.allows(address):
            return Refusal.ADDRESS
        return Refusal.LINKS if self.links >= self.account.links else None

    def take(self, parts: int, now: float) -> bool:
        """Take so many parts, or none if the rate does not allow all of them now."""
        most = max(self.account.rate, _LARGEST_REQUEST)
        self._tokens = min(most, self._tokens + max(0.0, now - self._at) * self.account.rate)
        self._at = max(now, self._at)
        if self._tokens < parts:
            return False
        self._tokens -= parts
        return True
