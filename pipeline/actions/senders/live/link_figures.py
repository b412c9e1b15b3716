"""What one link has done in the last minute, and what its carrier has refused in the last hour.

Noting costs a part an addition only. A link is asked every few seconds; the minute is made of what it counted between.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

MINUTE = 60.0  # seconds that the figures cover
HOUR = 3600.0  # seconds that an error is told
CODES = 10  # most different errors told
ANSWERS = 500  # newest answers whose times are told
NEWEST = 0.1  # weight of the newest answer in the usual time


class CodeCount(msgspec.Struct, frozen=True):
    """How often a carrier has said `code` without a pause of an hour, and how many seconds ago it last did."""

    code: str
    parts: int
    ago: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Parts within the last `seconds`. `answer_p50` and `answer_p95` are seconds from SUBMIT to answer."""

    seconds: float = 0.0
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    throttled: int = 0
    delivered: int = 0
    failed: int = 0
    answer_p50: float | None = None
    answer_p95: float | None = None
    errors: tuple[CodeCount, ...] = ()


@dataclass(slots=True)
class _Error:
    parts: int
    at: float


class LinkFigures:
    """The counts of one link; times are monotonic seconds, and arguments."""

    def __init__(self, now: float) -> None:
        self.sent = self.throttled = 0
        self.answer_time = 0.0  # seconds, of the last answers; 0 before the first
        self._accepted = self._refused = self._delivered = self._failed = 0
        self._times: deque[tuple[float, float]] = deque(maxlen=ANSWERS)  # when, and seconds from SUBMIT to answer
        self._errors: dict[str, _Error] = {}
        self._past = deque([(now, self._totals())])

    def accepted(self, after: float, now: float) -> None:
        """The carrier has taken a part, `after` seconds after its SUBMIT."""
        self._accepted += 1
        self._answer(after, now)

    def refused(self, code: str, after: float, now: float) -> None:
        """The carrier has refused a SUBMIT with this code, for good or not."""
        self._refused += 1
        self._answer(after, now)
        self._error(code, now)

    def reported(self, code: str, delivered: bool, now: float) -> None:
        """The carrier has sent a final report."""
        if delivered:
            self._delivered += 1
        else:
            self._failed += 1
            self._error(code, now)

    def summary(self, now: float) -> Figures:
        """The figures of the last minute. A call begins the next piece of it."""
        totals = self._totals()
        while len(self._past) > 1 and now - self._past[1][0] >= MINUTE:
            self._past.popleft()
        at, before = self._past[0]
        self._past.append((now, totals))
        sent, accepted, refused, throttled, delivered, failed = (a - b for a, b in zip(totals, before, strict=True))
        times = sorted(after for noted, after in self._times if now - noted <= MINUTE)
        self._errors = {code: error for code, error in self._errors.items() if now - error.at <= HOUR}
        worst = sorted(self._errors.items(), key=lambda item: -item[1].at)
        return Figures(
            seconds=now - at,
            sent=sent,
            accepted=accepted,
            refused=refused,
            throttled=throttled,
            delivered=delivered,
            failed=failed,
            answer_p50=times[len(times) // 2] if times else None,
            answer_p95=times[min(len(times) - 1, len(times) * 95 // 100)] if times else None,
            errors=tuple(CodeCount(code, error.parts, round(now - error.at, 1)) for code, error in worst),
        )

    def _answer(self, after: float, now: float) -> None:
        self._times.append((now, after))
        self.answer_time += (after - self.answer_time) * (NEWEST if self.answer_time else 1.0)

    def _totals(self) -> tuple[int, ...]:
        return self.sent, self._accepted, self._refused, self.throttled, self._delivered, self._failed

    def _error(self, code: str, now: float) -> None:
        known = self._errors.get(code)
        if known is not None and now - known.at <= HOUR:
            known.parts, known.at = known.parts + 1, now
            return
        if len(self._errors) >= CODES:
            del self._errors[min(self._errors, key=lambda each: self._errors[each].at)]
        self._errors[code] = _Error(1, now)
