"""The candidate: a policy that is evaluated beside the one in force, and may decide a share of the traffic.

With a share of 0 it is in shadow: it decides nothing. Whichever policy does not decide an event leaves its verdict in
the decision's `shadow`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from pipeline.errors import AntispamError
from pipeline.rules.counting.counters import Amount, Counter, Counters
from pipeline.rules.policies.policy import Policy, parse_policy


class _Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    share: int
    policy: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy on trial. `share` is the percentage of senders whose events it decides, 0 to 100."""

    policy: Policy
    share: int

    def decides(self, sender: str) -> bool:
        """Whether it decides the events of this port or number.

        Each sender has a fixed place between 0 and 100 for each policy: a larger share keeps the senders of a smaller
        one. Another policy has other places, so that trials do not always begin with the same senders.
        """
        digest = sha256(f"{self.policy.version}/{sender}".encode()).digest()
        return int.from_bytes(digest[:8]) * 100 < self.share << 64


def candidate_value(policy: str, share: int) -> str:
    """The published value of a candidate: the text of its policy, and its share in percent."""
    return msgspec.json.encode(_Published(share, policy)).decode()


def parse_candidate(value: str) -> Candidate:
    """Read a published value. Raises AntispamError if it is damaged or its policy is refused."""
    try:
        published = msgspec.json.decode(value, type=_Published)
    except msgspec.MsgspecError as error:
        raise AntispamError(f"not a candidate: {error}") from None
    if not 0 <= published.share <= 100:
        raise AntispamError(f"share {published.share}: 0 to 100 expected")
    return Candidate(parse_policy(published.policy), published.share)


class OncePerEvent:
    """The counters of several policies: a counter that they share moves once for each event."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._moved: dict[Hashable, int] = {}

    def begin(self, index: int) -> None:
        """See Counters.begin."""
        self._moved.clear()
        self._counters.begin(index)

    def add(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.add."""
        moved = (counter.identity, key)
        if moved not in self._moved:
            self._moved[moved] = self._counters.add(counter, key, at, amount)
        return self._moved[moved]

    def read(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.read."""
        return self._counters.read(counter, key, at, amount)

    def has(self, counter: Counter, key: str) -> bool:
        """See Counters.has."""
        return self._counters.has(counter, key)
