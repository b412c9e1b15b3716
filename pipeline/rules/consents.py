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
    """An entry of the history of a scope and a number. The last one counts."""

    CONSENT = "consent"  # the recipient agreed
    REQUEST = "request"  # the recipient asked for the messages
    ASKED = "asked"  # the recipient was asked; no answer is a refusal
    REFUSED = "refused"  # the recipient refused, or took the consent back


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

    `keys` are sorted hashes (64 bits) of scope and number, `ends` (32 bits) the seconds since 1970 at which each
    consent ends. `scopes` are the hashes (64 bits) of the scopes in the shard.
    """

    keys: bytes = b""
    ends: bytes = b""
    scopes: bytes = b""


class Shard:
    """The consents of the numbers with the same last four digits."""

    __slots__ = ("ends", "keys", "scopes")

    def __init__(self, published: Published) -> None:
        self.keys = array("Q", np.frombuffer(published.keys, "<u8").astype(np.uint64).tobytes())
        self.ends = array("I", np.frombuffer(published.ends, "<u4").astype(np.uint32).tobytes())
        self.scopes = array("Q", np.frombuffer(published.scopes, "<u8").astype(np.uint64).tobytes())
        if len(self.keys) != len(self.ends):
            raise AntispamError("as many ends as keys expected")


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
        """The recipients without a consent in one of these scopes at `at` (epoch ms)."""
        second = at // SECOND_MS
        return tuple(each for each in recipients if not any(self._holds(scope, each, second) for scope in scopes))

    def _holds(self, scope: str, number: str, second: int) -> bool:
        shard = self._shards.get(shard_of(number))
        if shard is None:
            return False
        key = _key(scope, number)
        place = bisect_left(shard.keys, key)
        return place < len(shard.keys) and shard.keys[place] == key and shard.ends[place] > second


def port_scope(code: str) -> str:
    """The scope of a port."""
    return f"port/{code}"


def enterprise_scope(code: str) -> str:
    """The scope of an enterprise."""
    return f"enterprise/{code}"


def shard_of(number: str) -> int:
    """The shard of a number in canonical form."""
    return int(number[-4:])


def published(consents: Iterable[tuple[str, str, int | None]], scopes: Iterable[str]) -> str:
    """The value of a shard from (scope, number, end in epoch ms or None) of each consent in force, each pair once.

    `scopes` are all scopes with records in this shard, also those whose records are refusals only.
    """
    rows = [
        (_key(scope, number), FOREVER if end is None else min(FOREVER, end // SECOND_MS))
        for scope, number, end in consents
    ]
    keys = np.fromiter((key for key, _ in rows), np.uint64, len(rows))
    ends = np.fromiter((end for _, end in rows), np.uint32, len(rows))
    order = np.argsort(keys)
    hashes = np.array(sorted({_hash(scope) for scope in scopes}), np.uint64)
    return encode(
        Published(
            keys=keys[order].astype("<u8").tobytes(),
            ends=ends[order].astype("<u4").tobytes(),
            scopes=hashes.astype("<u8").tobytes(),
        )
    ).decode()


def shard_text(entries: Iterable[tuple[str, str, int, str, int | None]]) -> str:
    """The value of a shard from all its entries (scope, number, given at, kind, until), in any order."""
    last: dict[tuple[str, str], tuple[int, bool, int | None]] = {}
    for scope, number, at, kind, until in entries:
        known = last.get((scope, number))
        # Of two entries at one time, the one that is no consent counts.
        if known is None or at > known[0] or (at == known[0] and kind not in AGREED):
            last[scope, number] = (at, kind in AGREED, until)
    agreed = ((scope, number, until) for (scope, number), (_, yes, until) in last.items() if yes)
    return published(agreed, {scope for scope, _ in last})


def parse_shard(text: str) -> Shard:
    """The inverse of `published`. Raises AntispamError for another text."""
    try:
        return Shard(msgspec.json.decode(text, type=Published))
    except (msgspec.MsgspecError, ValueError) as error:
        raise AntispamError(f"consents: {error}") from None


def _key(scope: str, number: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{scope}/{number}".encode())


def _hash(scope: str) -> int:
    return xxhash.xxh3_64_intdigest(scope.encode())
