"""Who a request comes from: the active keys, all in memory, read anew every two seconds.

A wrong key costs no query, and a revoked one stops working within 5 seconds: when the database cannot
be read for that long, no key is trusted any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

from pipeline.ingest.http.problems import Problem, unavailable
from pipeline.store.accounts.api_keys import hashed

REFRESH = 2.0  # seconds between readings
MAX_AGE = 5.0  # seconds a reading is trusted


class KeyRing:
    """The active keys as they were read last; `load` gives stored hash -> port."""

    def __init__(self, load: Callable[[], Mapping[str, str]], clock: Callable[[], float] = monotonic) -> None:
        self._load = load
        self._clock = clock
        self._keys: Mapping[str, str] = {}
        self._read_at = -MAX_AGE - 1

    def refresh(self) -> None:
        """Read the keys anew; those held are left as they are when that raises."""
        begun = self._clock()
        self._keys = self._load()
        self._read_at = begun

    @property
    def fresh(self) -> bool:
        """Whether the last reading is young enough to be trusted."""
        return self._clock() - self._read_at <= MAX_AGE

    def port(self, authorization: str | None) -> str:
        """The port of an Authorization header. Raises Problem: 401, or 503 when the keys are too old."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Problem(401, "unauthorized", "Authorization: Bearer <API key> expected")
        if not self.fresh:
            raise unavailable("the store of API keys")
        # Found by the hash of 256 random bits: how long that takes tells nothing of any key.
        port = self._keys.get(hashed(key.strip()))
        if port is None:
            raise Problem(401, "unauthorized", "unknown or revoked API key")
        return port
