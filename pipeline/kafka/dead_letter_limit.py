"""The limit of dead letters: when most events fail, the process stops instead of setting them aside.

A fault in a release, a key or the configuration makes every event fail. Without a limit all traffic would become dead
letters while the API still accepts more. Sentry's arroyo limits its dead-letter queue in the same way.
"""

from __future__ import annotations

from collections import deque


class TooManyDeadLettersError(Exception):
    """Most polled records fail. Not an AntispamError: a retry would fail too, so the process must end."""


class DeadLetterLimit:
    """The last polls: their numbers of records and of failures.

    Failures are too many if they are at least `count` and more than the share `ratio` of the records. The last polls
    that together hold `count / ratio` records count, so that a trickle of single records is covered too.
    """

    def __init__(self, count: int, ratio: float) -> None:
        self._count, self._ratio = count, ratio
        self._polls: deque[tuple[int, int]] = deque()  # (failed, records), the newest last
        self._failed = self._records = 0

    def check(self, source: str, failed: int, records: int, cause: str) -> None:
        """Raise TooManyDeadLettersError if too many fail with this poll of `source`; call before setting any aside."""
        together, of = self._failed + failed, self._records + records
        for old_failed, old_records in self._polls:
            if of - old_records < self._count / self._ratio:
                break
            together, of = together - old_failed, of - old_records
        if failed and together >= self._count and together > self._ratio * of:
            raise TooManyDeadLettersError(
                f"{together} of the last {of} records of {source} fail, such as by: {cause}. Nothing of this poll is "
                f"acknowledged or set aside. Mend the cause or go back to the release before; if the records "
                f"themselves are wrong, ANTISPAM_DEAD_LETTER_RATIO=1 makes dead letters of them"
            )

    def note(self, failed: int, records: int) -> None:
        """Remember a poll whose failures are set aside."""
        self._polls.append((failed, records))
        self._failed += failed
        self._records += records
        while self._records - self._polls[0][1] >= self._count / self._ratio:
            old_failed, old_records = self._polls.popleft()
            self._failed -= old_failed
            self._records -= old_records
