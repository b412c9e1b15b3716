"""The life of a port: how its state changes, by whose step.

    active --limit--> limited --(the day passes), lift--> active
      '-----suspend-----'----> suspended --resume--> active, or limited after an undertaking
      '-----------------------------'------terminate--> terminated, for good

A limited port sends, and is judged by the stricter limits of a probation until the end of a day. So it needs no timer:
whoever judges it compares days. A suspended port that has given an undertaking (what it did wrong, and what it changes)
is limited for PROBATION_DAYS when it is resumed; one that was suspended by mistake is resumed without. All functions
are pure; days are those of the port's zone.

Source: probation after an undertaking, and no way back from termination, are the operators' rules (DESIGN §9). The
number of days is our own choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from pipeline.errors import AntispamError
from pipeline.events import PortState

PROBATION_DAYS = 30
LONGEST_PROBATION = 3650  # days


class Life(StrEnum):
    """The state of a port as people see it."""

    ACTIVE = "active"
    LIMITED = "limited"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class Step(StrEnum):
    """What changes the state of a port."""

    LIMIT = "limit"
    LIFT = "lift"
    SUSPEND = "suspend"
    UNDERTAKE = "undertake"
    RESUME = "resume"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a port stands: `limited_until` is the last day of its probation, `undertaken` since its suspension."""

    state: PortState = PortState.OPEN
    limited_until: date | None = None
    undertaken: bool = False

    def life(self, today: date) -> Life:
        """The state that people see on this day."""
        if self.state is not PortState.OPEN:
            return Life(self.state.value)
        return Life.LIMITED if self.limited_until is not None and today <= self.limited_until else Life.ACTIVE


_FROM = {
    Step.LIMIT: {Life.ACTIVE, Life.LIMITED},
    Step.LIFT: {Life.LIMITED},
    Step.SUSPEND: {Life.ACTIVE, Life.LIMITED},
    Step.UNDERTAKE: {Life.SUSPENDED},
    Step.RESUME: {Life.SUSPENDED},
    Step.TERMINATE: {Life.ACTIVE, Life.LIMITED, Life.SUSPENDED},
}


def possible(before: Standing, step: Step, today: date) -> bool:
    """Whether the step may be taken. A second undertaking, like a second suspension, is none."""
    again = step is Step.UNDERTAKE and before.undertaken
    return before.life(today) in _FROM[step] and not again


def taken(before: Standing, step: Step, today: date, days: int | None = None) -> Standing:
    """Where the port stands after the step.

    `days` is how long a port is limited from tomorrow on, when it is limited or resumed; None: PROBATION_DAYS for a
    limit and after an undertaking, otherwise none. A longer limit that it has already stays. Raises AntispamError for
    an impossible step or number of days.
    """
    if not possible(before, step, today):
        if before.state is PortState.TERMINATED and step is not Step.TERMINATE:
            raise AntispamError("a terminated port stays terminated: that cannot be taken back")
        raise AntispamError("{step}: not possible for a port that is {life}", step=step, life=before.life(today))
    if days is not None and not 0 <= days <= LONGEST_PROBATION:
        raise AntispamError("probation: 0 to {most} days expected", most=LONGEST_PROBATION)
    if step is Step.LIFT:
        return replace(before, limited_until=None)
    if step is Step.SUSPEND:
        return replace(before, state=PortState.SUSPENDED, undertaken=False)
    if step is Step.UNDERTAKE:
        return replace(before, undertaken=True)
    if step is Step.TERMINATE:
        return replace(before, state=PortState.TERMINATED)
    if days is None:
        days = PROBATION_DAYS if step is Step.LIMIT or before.undertaken else 0
    until = today + timedelta(days=days) if days else None
    later = max(filter(None, (before.limited_until, until)), default=None)
    return Standing(PortState.OPEN, later, False)
