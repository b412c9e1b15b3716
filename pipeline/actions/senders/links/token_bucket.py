"""A token bucket, which limits parts a second."""

from __future__ import annotations

from collections.abc import Sequence


class TokenBucket:
    """Fills with `rate` tokens a second and holds at most `rate` / 10, but at least one; time is an argument."""

    def __init__(self, rate: float, now: float) -> None:
        self.fill_at(rate)
        self._tokens = 1.0
        self._at = now

    def fill_at(self, rate: float) -> None:
        """Fill at another rate from now on."""
        self._rate = rate
        self._most = max(1.0, rate / 10)

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0 if there is one."""
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self._rate

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until the next token."""
        return take((self,), now)


def take(buckets: Sequence[TokenBucket], now: float) -> float:
    """Take a token of each bucket and return 0, or take none and return the seconds until all have one."""
    delay = max(bucket.wait(now) for bucket in buckets)
    if delay <= 0:
        for bucket in buckets:
            bucket._tokens -= 1.0
    return delay
