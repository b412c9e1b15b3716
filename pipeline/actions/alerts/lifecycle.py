"""The life of an alert: from its first news until it is over.

    (nothing) --news--> waiting --a person--> taken
                           ^  '---- over, or closed by a person ----> closed
                           '-------------- reopened -----------------'

While it is open, more news of the same thing changes its level and time, and raises no second alert. A snooze hides an
open alert until a time, and ends early when the alert becomes worse. An alert that nobody takes in time is escalated,
once for each time it waits. It is over when no news has come for the time that its news lasts, or when whoever raised
it says so. All functions are pure; times are epoch ms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel

LONGEST_SNOOZE_MS = 7 * 24 * 60 * MINUTE_MS
# How long an alert may wait for a person; a warning may wait for ever. Our own choice, no norm's.
ESCALATES_AFTER = {AlertLevel.SEVERE: 60 * MINUTE_MS, AlertLevel.CRITICAL: 15 * MINUTE_MS}
_ORDER = list(AlertLevel)


class AlertState(StrEnum):
    """Where an alert stands."""

    WAITING = "waiting"
    TAKEN = "taken"
    CLOSED = "closed"


class Change(StrEnum):
    """What happened to an alert."""

    RAISED = "raised"
    WORSE = "worse"
    TAKEN = "taken"
    GIVEN_BACK = "given_back"
    NOTED = "noted"
    SNOOZED = "snoozed"
    WOKEN = "woken"  # its snooze ended
    ESCALATED = "escalated"
    OVER = "over"  # by itself
    CLOSED = "closed"  # by a person
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one alert stands; `over_at` is None if it does not end by itself."""

    state: AlertState
    level: AlertLevel
    last_at: int
    times: int
    waits_since: int
    over_at: int | None
    assigned_to: str | None = None
    snoozed_until: int | None = None
    escalated_at: int | None = None
    closed_at: int | None = None


def hear(before: Standing | None, level: AlertLevel, at: int, lasts: int) -> tuple[Standing, Change | None]:
    """The alert after one piece of news; `before` is the open alert of the same thing, or None."""
    if before is None:
        return Standing(AlertState.WAITING, level, at, 1, at, at + lasts if lasts else None), Change.RAISED
    last = max(before.last_at, at)
    heard = replace(before, last_at=last, times=before.times + 1, over_at=last + lasts if lasts else None)
    if _ORDER.index(level) <= _ORDER.index(before.level):
        return heard, None
    return replace(heard, level=level, waits_since=at, snoozed_until=None, escalated_at=None), Change.WORSE


def take(before: Standing, person: str) -> tuple[Standing, Change]:
    """A person takes it on, or is given it; the snooze ends. Raises AntispamError for a closed alert."""
    _open(before)
    return replace(before, state=AlertState.TAKEN, assigned_to=person, snoozed_until=None), Change.TAKEN


def give_back(before: Standing, now: int) -> tuple[Standing, Change]:
    """It waits for anybody again. Raises AntispamError unless somebody has taken it."""
    if before.state is not AlertState.TAKEN:
        raise AntispamError("nobody has taken this alert")
    return replace(
        before, state=AlertState.WAITING, assigned_to=None, waits_since=now, escalated_at=None
    ), Change.GIVEN_BACK


def snooze(before: Standing, until: int, now: int) -> tuple[Standing, Change]:
    """Hide it until a time within LONGEST_SNOOZE_MS. Raises AntispamError."""
    _open(before)
    if not now < until <= now + LONGEST_SNOOZE_MS:
        raise AntispamError("an alert is snoozed for at most 7 days")
    return replace(before, snoozed_until=until), Change.SNOOZED


def close(before: Standing, now: int) -> tuple[Standing, Change]:
    """A person closes it. News that comes later raises a new alert. Raises AntispamError for a closed alert."""
    _open(before)
    return replace(before, state=AlertState.CLOSED, closed_at=now, snoozed_until=None), Change.CLOSED


def end(before: Standing, now: int) -> tuple[Standing, Change] | None:
    """It is over, says whoever raised it; None if it is closed already."""
    if before.state is AlertState.CLOSED:
        return None
    return replace(before, state=AlertState.CLOSED, closed_at=now, snoozed_until=None), Change.OVER


def reopen(before: Standing, now: int) -> tuple[Standing, Change]:
    """It waits again, for as long as its news lasts. Raises AntispamError for an open alert."""
    if before.state is not AlertState.CLOSED:
        raise AntispamError("this alert is not closed")
    over = None if before.over_at is None else now + before.over_at - before.last_at
    return replace(
        before,
        state=AlertState.WAITING,
        assigned_to=None,
        waits_since=now,
        over_at=over,
        escalated_at=None,
        closed_at=None,
    ), Change.REOPENED


def pass_time(before: Standing, now: int) -> tuple[Standing, Change] | None:
    """What time alone changes by `now`; None for nothing."""
    if before.state is AlertState.CLOSED:
        return None
    if before.over_at is not None and before.over_at <= now:
        return end(before, now)
    if before.snoozed_until is not None:
        if before.snoozed_until > now:
            return None
        return replace(before, snoozed_until=None, waits_since=now, escalated_at=None), Change.WOKEN
    patience = ESCALATES_AFTER.get(before.level)
    waits = before.state is AlertState.WAITING and before.escalated_at is None
    if waits and patience is not None and now - before.waits_since >= patience:
        return replace(before, escalated_at=now), Change.ESCALATED
    return None


def _open(standing: Standing) -> None:
    if standing.state is AlertState.CLOSED:
        raise AntispamError("this alert is closed")
