"""Local times that a submission must still wait for after a person has released it (quiet hours)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline.decision.configuration import Config
from pipeline.decision.screening import Screened, screen
from pipeline.events import Submission
from pipeline.rules.counting.counters import MemoryCounters


def waits_until(submissions: Sequence[Submission], config: Config, now: int) -> list[tuple[str, int] | None]:
    """The rule that makes each released submission wait at `now` (epoch ms), and until when; None: it may leave.

    Only rules with `hold_until` count: a person has decided on everything else.
    """
    clocks = {policy.version: {rule.id: rule.hold_until for rule in policy.rules} for policy in config.policies}
    if not any(clock for of_rules in clocks.values() for clock in of_rules.values()):
        return [None] * len(submissions)
    reviewed = [msgspec.structs.replace(each, round=each.round + 1, reviewed=True) for each in submissions]
    found: list[tuple[str, int] | None] = []
    for outcome in screen(reviewed, MemoryCounters(), config, now):
        reasons = outcome.decision.reasons if isinstance(outcome, Screened) else ()
        of_rules = clocks.get(outcome.decision.policy or "", {}) if isinstance(outcome, Screened) else {}
        port = outcome.port if isinstance(outcome, Screened) else None
        calendar = config.calendar.in_zone(port.entry.zone) if port else config.calendar
        waits = [(r.rule, calendar.next(now, clock)) for r in reasons if (clock := of_rules.get(r.rule)) is not None]
        found.append(max(waits, key=lambda wait: wait[1]) if waits else None)
    return found
