"""A token bucket: how many parts a second may leave."""

from __future__ import annotations


class TokenBucket:
    """`rate` tokens a second, at most a tenth of a second's worth (and one) saved up; time is an argument."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate / 10)
        self._tokens = 1.0
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate
