"""Which port a request comes from. All active keys are in memory and read again every two seconds.

A wrong key costs no query. A revoked key stops working within 5 seconds: when the database could not be read for so
long, no key is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

from pipeline.ingest.http.problems import Problem, unavailable
from pipeline.store.accounts.api_keys import hashed

REFRESH = 2.0  # seconds between readings
MAX_AGE = 5.0  # seconds a reading is trusted


class KeyRing:
    """The active keys as of the last reading; `load` returns stored hash -> port."""

    def __init__(self, load: Callable[[], Mapping[str, str]], clock: Callable[[], float] = monotonic) -> None:
        self._load = load
        self._clock = clock
        self._keys: Mapping[str, str] = {}
        self._read_at = -MAX_AGE - 1

    def refresh(self) -> None:
        """Read the keys again. If that raises, the old keys stay."""
        begun = self._clock()
        self._keys = self._load()
        self._read_at = begun

    @property
    def fresh(self) -> bool:
        """Whether the last reading is recent enough to be trusted."""
        return self._clock() - self._read_at <= MAX_AGE

    def port(self, authorization: str | None) -> str:
        """The port of an Authorization header. Raises Problem: 401, or 503 when the last reading is too old."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Problem(401, "unauthorized", "Authorization: Bearer <API key> expected")
        if not self.fresh:
            raise unavailable("the store of API keys")
        # Looked up by the hash of 256 random bits: the time of the look-up reveals nothing about any key.
        port = self._keys.get(hashed(key.strip()))
        if port is None:
            raise Problem(401, "unauthorized", "unknown or revoked API key")
        return port
