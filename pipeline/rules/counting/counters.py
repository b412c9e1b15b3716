"""Declared counters (name, key, condition, window, aggregate) and the interface of the state that holds them.

A counter's identity includes its definition. So a changed key, condition or window starts the counter anew
(`policy check` says so) instead of mixing two meanings in one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal, Protocol

from pipeline.rules.counting.windows import BUCKETS, Window

KeyPart = Literal["port", "sender", "fingerprint"]
Aggregate = Literal["messages", "submissions"]


@dataclass(frozen=True)
class Counter:
    """One declared counter. `where` is a CEL condition; None counts every event."""

    name: str
    on: Literal["submission", "record"]
    key: tuple[KeyPart, ...]
    window_ms: int
    aggregate: Aggregate
    where: str | None
    description: str

    @cached_property
    def width(self) -> int:
        """Bucket width in ms."""
        return max(1, self.window_ms // BUCKETS)

    @cached_property
    def identity(self) -> str:
        """Name and hash of the definition: the key in the state and its changelog."""
        definition = f"{self.on}|{self.key}|{self.window_ms}|{self.aggregate}|{self.where}"
        return f"{self.name}@{sha256(definition.encode()).hexdigest()[:8]}"


class Counters(Protocol):
    """The keyed counters that `screen` uses. Implemented in memory here, and by the stream's state."""

    def begin(self, index: int) -> None:
        """The calls that follow belong to event `index` of the batch."""

    def add(self, counter: Counter, key: str, at: int, n: int) -> int:
        """Count n at `at` (ms) and return the window's total including n."""

    def read(self, counter: Counter, key: str, at: int) -> int:
        """The window's total at `at` (ms). Changes nothing."""


class MemoryCounters:
    """Counters of one process and one run: `antispam screen`, backtests and tests."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str], Window] = {}

    def begin(self, index: int) -> None:
        """Does nothing: without replay, no event needs to be told from another."""

    def add(self, counter: Counter, key: str, at: int, n: int) -> int:
        """See Counters.add."""
        window = self.windows.get((counter.identity, key))
        if window is None:
            window = self.windows[counter.identity, key] = Window()
        return window.add(at, n, counter.width)

    def read(self, counter: Counter, key: str, at: int) -> int:
        """See Counters.read."""
        window = self.windows.get((counter.identity, key))
        return 0 if window is None else window.read(at, counter.width)
