"""Wrong logins: who fails again and again is refused unheard for a while.

An account is locked for one address only, so a stranger elsewhere does not lock a port out.
"""

from __future__ import annotations

from collections import OrderedDict

from pipeline.process.backoff import Backoff

FREE = 3  # failures in a row without a pause: a person who mistypes
PAUSES = Backoff(first=5.0, longest=900.0)
FORGET = 3600.0  # seconds without a failure
MOST = 10_000  # pairs of account and address


class Attempts:
    """Failures by account and address. Time is an argument (seconds)."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()  # number, time of the last

    def locked(self, account: str, address: str, now: float) -> float:
        """Seconds until this account may log in from this address again; 0 if it may now."""
        number, at = self._failures.get((account, address), (0, 0.0))
        if number < FREE or now - at >= FORGET:
            return 0.0
        return max(0.0, at + PAUSES.pause(number - FREE + 1) - now)

    def failed(self, account: str, address: str, now: float) -> None:
        """Note a wrong login."""
        number, at = self._failures.pop((account, address), (0, now))
        self._failures[account, address] = (1 if now - at >= FORGET else number + 1, now)
        if len(self._failures) > MOST:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures."""
        self._failures.pop((account, address), None)
