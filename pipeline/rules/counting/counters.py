"""Declared counters (name, key, condition, window, aggregate) and the interface of the state that holds them.

A counter's identity includes its definition. So a changed key, condition or window starts the counter anew
(`policy check` says so) instead of mixing two meanings in one number.

There are two stages. The first counts where the event is decided: the key has the port or the sender by which its
stream is partitioned, so the value is exact. The second counts keys that come from all partitions (shared counters,
stream/counter_stage.py): decisions see the value that was published last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from pipeline.durations import MINUTE_MS
from pipeline.rules.counting.cuts import by_length, cuts
from pipeline.rules.counting.sequences import LEAST, sequence_through
from pipeline.rules.counting.windows import BUCKETS, Recent, Window

Aggregate = Literal["messages", "submissions", "sum", "distinct", "sequence", "cuts"]
Amount = int | tuple[int, ...]  # what an event adds: a count, or values of which the distinct ones are remembered
OF_VALUES: tuple[Aggregate, ...] = ("distinct", "sequence", "cuts")
# The streams are partitioned by these, so one worker sees all events of a key that has one of them.
FIRST: dict[Literal["submission", "record"], tuple[str, ...]] = {
    "submission": ("port", "sender"),
    "record": ("sender",),
}
_VALUES = "/values"  # ends the identity of counters that remember values: a changelog entry alone does not tell
_QUARTER = 15 * MINUTE_MS  # a zone's offset changes at the beginning of a quarter of an hour


@dataclass(frozen=True)
class Counter:
    """One declared counter. `where` is a CEL condition; None counts every event.

    `of` is what `sum` (a signal) and `distinct` (a part of a key) are about. `up_to` is the number of values that
    `distinct`, `sequence` and `cuts` remember. With a `zone`, the window is the hour or the day of that zone's clock,
    otherwise it slides.

    `shared`: the second stage counts it, because events of one key come from all partitions. A window has `buckets` of
    `width` ms. `identity` is name and hash of the definition: the key in the state and its changelog.
    """

    name: str
    on: Literal["submission", "record"]
    key: tuple[str, ...]
    window_ms: int
    aggregate: Aggregate
    where: str | None
    description: str
    of: str | None = None
    up_to: int | None = None
    zone: str | None = None
    # Attributes, because each event reads them: a cached property takes ten times as long.
    shared: bool = field(init=False, compare=False, repr=False)
    width: int = field(init=False, compare=False, repr=False)
    buckets: int = field(init=False, compare=False, repr=False)
    identity: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shared", not set(self.key) & set(FIRST[self.on]))
        object.__setattr__(self, "width", self.window_ms if self.zone else max(1, self.window_ms // BUCKETS))
        object.__setattr__(self, "buckets", 1 if self.zone else BUCKETS)
        object.__setattr__(self, "identity", self._identity())

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts of the key with those of the stream's partition first, as they are written in the state."""
        return tuple(sorted(self.key, key=lambda part: part not in FIRST[self.on]))

    @cached_property
    def of_recipients(self) -> bool:
        """Whether each recipient of a submission has a value of its own."""
        return self.key == ("recipient",) and self.on == "submission"

    @cached_property
    def kept_ms(self) -> int:
        """How long after its last event a window may still be read, in ms."""
        return self.window_ms if self.zone else self.window_ms + self.width

    def _identity(self) -> str:
        definition = f"{self.on}|{self.key}|{self.window_ms}|{self.aggregate}|{self.where}"
        later = (self.of, self.up_to, self.zone)  # counters without them keep the identity that running systems have
        if later != (None, None, None):
            definition += f"|{later}"
        kind = _VALUES if self.aggregate in OF_VALUES else ""
        return f"{self.name}@{sha256(definition.encode()).hexdigest()[:8]}{kind}"

    def bucket(self, at: int) -> int:
        """The number of the bucket of a time (ms)."""
        return (at + _offset(self.zone, at // _QUARTER)) // self.width if self.zone else at // self.width

    def move(self, window: Window | Recent, at: int, amount: Amount) -> int:
        """Add an event's amount at `at` (ms) and return the value of the counter."""
        bucket = at // self.width if self.zone is None else self.bucket(at)
        if isinstance(window, Window):
            return window.add(bucket, amount, self.buckets)  # type: ignore[arg-type]
        window.add(bucket, amount, self.up_to or 0, self.buckets)  # type: ignore[arg-type]
        if self.aggregate == "distinct":
            seen = window.seen  # as `window.size`, without the call
            return len(seen) // 2 if isinstance(seen, tuple) else len(seen)
        if self.aggregate == "sequence" and window.size < LEAST:  # most senders write to few: no need to look
            return 0
        return self._value(window, window.values, amount)

    def value(self, window: Window | Recent | None, at: int, amount: Amount) -> int:
        """The value of the counter at `at` (ms) for an event of this amount. Changes nothing."""
        if window is None:
            return 0
        if isinstance(window, Window):
            return window.read(self.bucket(at), self.buckets)
        return self._value(window, window.read(self.bucket(at), self.buckets), amount)

    def with_event(self, window: Window | Recent | None, at: int, amount: Amount) -> int:
        """The value that the counter would have with an event at `at` (ms) of this amount. Changes nothing."""
        if window is None and isinstance(amount, int):
            return amount
        if isinstance(window, Window):
            bucket = self.bucket(at)
            counted = bucket > window.newest - self.buckets
            return window.read(bucket, self.buckets) + (amount if counted else 0)  # type: ignore[operator]
        if self.aggregate == "distinct":  # asked for each event of the shipped policy: without a copy of the window
            bucket = self.bucket(at)
            seen = window.read(bucket, self.buckets) if window is not None else {}
            if window is not None and bucket <= window.newest - self.buckets:
                return len(seen)
            return min(self.up_to or 0, len({*seen, *amount}))  # type: ignore[misc]
        copy = Recent.load(*window.dump()) if window is not None else Recent()
        return self.move(copy, at, amount)

    def _value(self, window: Recent, values: Mapping[int, int], amount: Amount) -> int:
        if self.aggregate == "distinct":
            return len(values)
        if self.aggregate == "cuts":
            if values is not window.seen:
                return cuts(amount, by_length(values))  # type: ignore[arg-type]
            if window.derived is None:
                window.derived = by_length(values)
            return cuts(amount, window.derived)  # type: ignore[arg-type]
        return sequence_through(amount, values)  # type: ignore[arg-type]


def window_of(identity: str) -> type[Window] | type[Recent]:
    """The kind of window that a counter of this identity has."""
    return Recent if identity.endswith(_VALUES) else Window


@lru_cache(4096)
def _offset(zone: str, quarter: int) -> int:
    """What the clock of a zone is ahead of UTC (ms) in a quarter of an hour since 1970."""
    offset = datetime.fromtimestamp(quarter * _QUARTER / 1000, ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0


def reset(before: Collection[Counter], after: Collection[Counter]) -> list[str]:
    """The names of counters that begin anew when the one declaration replaces the other."""
    identities = {counter.identity for counter in before}
    names = {counter.name for counter in before}
    return [counter.name for counter in after if counter.name in names and counter.identity not in identities]


class Counters(Protocol):
    """The keyed counters that `screen` uses. Implemented in memory here, and by the stream's state."""

    def begin(self, index: int) -> None:
        """The calls that follow belong to event `index` of the batch."""

    def add(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """Add an event's amount at `at` (ms) and return the counter's value with it."""

    def read(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """The counter's value at `at` (ms) for an event of this amount. Changes nothing."""

    def has(self, counter: Counter, key: str) -> bool:
        """Whether anything was counted for this key; perhaps before the window."""


class MemoryCounters:
    """Counters of one process and one run: `antispam screen`, backtests and tests."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str], Window | Recent] = {}

    def begin(self, index: int) -> None:
        """Does nothing: without replay, no event needs to be told from another."""

    def add(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.add."""
        place = (counter.identity, key)
        window = self.windows.get(place)
        if window is None:
            window = self.windows[place] = window_of(counter.identity)()
        return counter.move(window, at, amount)

    def read(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.read."""
        return counter.value(self.windows.get((counter.identity, key)), at, amount)

    def has(self, counter: Counter, key: str) -> bool:
        """See Counters.has."""
        return (counter.identity, key) in self.windows
