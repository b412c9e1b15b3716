"""Consents in force: which recipients agreed to commercial messages from a port or an enterprise.

A consent belongs to a scope: `port/<code>` or `enterprise/<code>`. Workers need only "is there one, and until when",
for a million numbers and more. So a consent is a 64-bit hash of scope and number with its end: 12 bytes in sorted
arrays. Two of a million consents share a hash with a probability of 3e-8; a stranger's number meets one of them with
5e-14. The published values hold no numbers.

The consents are published in 10,000 shards by the last four digits of the number, so one more consent publishes a
small part of them again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import msgspec
import numpy as np
import xxhash

from pipeline.durations import SECOND_MS
from pipeline.errors import AntispamError
from pipeline.events import Event, encode

MAX_SOURCE = 500  # characters
SHARDS = 10_000
FOREVER = (1 << 32) - 1  # seconds; an end that never comes


class ConsentKind(StrEnum):
    """An entry of the history of a scope and a number.

    Of agreements and refusals the last one counts. A question changes nothing until it is answered.
    """

    CONSENT = "consent"  # the recipient agreed
    REQUEST = "request"  # the recipient asked for the messages
    ASKED = "asked"  # the recipient was asked; no answer is a refusal
    REFUSED = "refused"  # the recipient refused, or took the consent back


Entry = tuple[str, str, int, str, int | None]  # scope, number, given at (epoch ms), kind, until (epoch ms)
AGREED = frozenset((ConsentKind.CONSENT, ConsentKind.REQUEST))


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry. `given_at` is when it happened, `until` when a consent ends (epoch ms; None: it does not).

    `source` tells where the proof is: a form, a call, a message.
    """

    scope: str
    number: str
    kind: ConsentKind
    source: str
    given_at: int
    until: int | None = None


class Published(Event, frozen=True, kw_only=True):
    """The value of one shard on the config topic: little-endian arrays.

    `keys` are sorted hashes (64 bits) of scope and number; `given` and `ends` (32 bits) the seconds since 1970 at which
    each was given and ends; a refusal ends at 0. `scopes` are the hashes (64 bits) of the scopes in the shard.
    """

    keys: bytes = b""
    given: bytes = b""
    ends: bytes = b""
    scopes: bytes = b""


class Shard:
    """The consents and refusals of the numbers with the same last four digits."""

    __slots__ = ("ends", "given", "keys", "scopes")

    def __init__(self, published: Published) -> None:
        self.keys = array("Q", np.frombuffer(published.keys, "<u8").astype(np.uint64).tobytes())
        self.given = array("I", np.frombuffer(published.given, "<u4").astype(np.uint32).tobytes())
        self.ends = array("I", np.frombuffer(published.ends, "<u4").astype(np.uint32).tobytes())
        self.scopes = array("Q", np.frombuffer(published.scopes, "<u8").astype(np.uint64).tobytes())
        if not len(self.keys) == len(self.given) == len(self.ends):
            raise AntispamError("as many times as keys expected")


class Consents:
    """All consents in force. Immutable."""

    def __init__(self) -> None:
        self._shards: Mapping[int, Shard] = {}
        self._scopes: Mapping[int, int] = {}  # hash of a scope -> the number of shards that hold it
        self.scopes = lru_cache(4096)(self._kept)  # every submission asks, and its port asks often

    def replaced(self, changes: Mapping[int, Shard | None]) -> Consents:
        """These consents with other shards; None removes one."""
        shards, scopes = dict(self._shards), dict(self._scopes)
        for n, shard in changes.items():
            before = shards.pop(n, None)
            for scope in before.scopes if before else ():
                scopes[scope] -= 1
            if shard is not None:
                shards[n] = shard
                for scope in shard.scopes:
                    scopes[scope] = scopes.get(scope, 0) + 1
        changed = Consents()
        changed._shards = shards
        changed._scopes = {scope: held for scope, held in scopes.items() if held}
        return changed

    def _kept(self, port: str, enterprise: str) -> tuple[str, ...]:
        """The scopes of this port and its enterprise for which records are kept."""
        if not self._scopes:
            return ()
        named = (port_scope(port), enterprise_scope(enterprise))
        return tuple(scope for scope in named if _hash(scope) in self._scopes)

    def missing(self, recipients: Sequence[str], scopes: Sequence[str], at: int) -> tuple[str, ...]:
        """The recipients without consent at `at` (epoch ms): of the entries in these scopes, the last one counts."""
        second = at // SECOND_MS
        return tuple(each for each in recipients if not self._agreed(each, scopes, second))

    def _agreed(self, number: str, scopes: Sequence[str], second: int) -> bool:
        shard = self._shards.get(shard_of(number))
        if shard is None:
            return False
        last, end = -1, 0
        for scope in scopes:
            key = _key(scope, number)
            place = bisect_left(shard.keys, key)
            if place < len(shard.keys) and shard.keys[place] == key:
                given, until = shard.given[place], shard.ends[place]
                if given > last or (given == last and until == 0):
                    last, end = given, until
        return end > second


def port_scope(code: str) -> str:
    """The scope of a port."""
    return f"port/{code}"


def enterprise_scope(code: str) -> str:
    """The scope of an enterprise."""
    return f"enterprise/{code}"


def shard_of(number: str) -> int:
    """The shard of a number in canonical form."""
    return int(number[-4:])


def shard_text(entries: Iterable[Entry]) -> str:
    """The value of a shard from all its entries, in any order."""
    last: dict[tuple[str, str], tuple[int, int]] = {}
    scopes = set()
    for scope, number, at, kind, until in entries:
        scopes.add(_hash(scope))
        if kind == ConsentKind.ASKED:
            continue
        end = 0 if kind not in AGREED else FOREVER if until is None else min(FOREVER, until // SECOND_MS)
        known = last.get((scope, number))
        if known is None or at > known[0] or (at == known[0] and end == 0):  # of two at one time, the refusal
            last[scope, number] = (at, end)
    rows = sorted((_key(scope, number), at // SECOND_MS, end) for (scope, number), (at, end) in last.items())
    return encode(
        Published(
            keys=np.array([key for key, _, _ in rows], "<u8").tobytes(),
            given=np.array([given for _, given, _ in rows], "<u4").tobytes(),
            ends=np.array([end for _, _, end in rows], "<u4").tobytes(),
            scopes=np.array(sorted(scopes), "<u8").tobytes(),
        )
    ).decode()


def parse_shard(text: str) -> Shard:
    """The shard of a value. Raises AntispamError for another text."""
    try:
        return Shard(msgspec.json.decode(text, type=Published))
    except (msgspec.MsgspecError, ValueError) as error:
        raise AntispamError(f"consents: {error}") from None


def _key(scope: str, number: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{scope}/{number}".encode())


def _hash(scope: str) -> int:
    return xxhash.xxh3_64_intdigest(scope.encode())
