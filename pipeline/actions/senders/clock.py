"""The two clocks of a sender."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def _epoch_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Clock:
    """`monotonic` (seconds) measures waits; `wall` (epoch ms) dates rows and messages to the carrier."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], int] = _epoch_ms
