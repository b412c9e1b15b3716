"""A token bucket, which limits parts a second."""

from __future__ import annotations


class TokenBucket:
    """Fills with `rate` tokens a second and holds at most `rate` / 10, but at least one; time is an argument."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate / 10)
        self._tokens = 1.0
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until the next token."""
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate
