"""When dead letters are not about single events any more: then nothing is set aside, and the process stops.

A fault of a release, or of a key or configuration, makes every event fail. Set aside one by one, all traffic would
end among the dead letters while the door goes on accepting it. Sentry's arroyo limits its dead-letter queue so too.
"""

from __future__ import annotations

from collections import deque


class TooManyDeadLettersError(Exception):
    """Most of what was polled fails. Not an AntispamError: trying again would fail as well, so the process ends."""


class DeadLetterLimit:
    """The records polled last, and how many of them failed.

    At least `count` failures, and more than the share `ratio` of the records, are too many. So many of the last
    polls are looked at as hold `count / ratio` records, so that a trickle of single records is judged too.
    """

    def __init__(self, count: int, ratio: float) -> None:
        self._count, self._ratio = count, ratio
        self._polls: deque[tuple[int, int]] = deque()  # failed, records; the youngest last
        self._failed = self._records = 0

    def check(self, source: str, failed: int, records: int, cause: str) -> None:
        """Raises TooManyDeadLettersError if with this poll of `source` too many fail; call before any is set aside."""
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
