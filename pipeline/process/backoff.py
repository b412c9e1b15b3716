"""How long to wait before the next try, and after how many failures to give up.

Pure: the caller counts the failures in a row, waits, and adds jitter where many wait at once.
"""

from __future__ import annotations

from dataclasses import dataclass

_MOST_STEPS = 64  # a pause has reached its longest before; a float would overflow at 1024 doublings


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: `first`, then each `factor` times the one before, never above `longest`.

    `tries` is the number of failures in a row after which to give up; None: never.
    """

    first: float
    longest: float
    factor: float = 2
    tries: int | None = None

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, at least one."""
        return min(self.longest, self.first * self.factor ** min(failures - 1, _MOST_STEPS))

    def exhausted(self, failures: int) -> bool:
        """Whether it is time to give up after so many failures in a row."""
        return self.tries is not None and failures >= self.tries
