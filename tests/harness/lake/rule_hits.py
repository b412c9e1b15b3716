"""Decisions in a lake by hour: on how many of them a rule matched."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from msgspec.structs import replace

from pipeline.durations import HOUR_MS
from pipeline.events import Decision, Reason, ShadowOutcome, Suppressed, SuppressedBy, Verdict
from pipeline.lake import delta
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import DECISIONS, Origin
from pipeline.settings import Settings
from tests.harness.lake.events import decision

_ids = count()


def decided(at: int, rules: Mapping[str, str] = {}, source: str = "submission", decided_round: int = 0) -> Decision:
    """A decision with these rules: `counted`, `shadow` or `suppressed`. The first one that counted decides."""
    kinds: dict[str, list[str]] = {"counted": [], "shadow": [], "suppressed": []}
    for rule, how in rules.items():
        kinds[how].append(rule)
    reason: dict[str, Any] = {"verdict": Verdict.REVIEW, "severity": 50, "message": "", "values": {}}
    return replace(
        decision(f"d-{next(_ids)}", decided_round, at=at),
        source=source,
        exceptions=(),
        reasons=tuple(Reason(rule=rule, **reason) for rule in kinds["counted"]),
        shadow=tuple(ShadowOutcome(rule=rule, verdict=Verdict.REVIEW) for rule in kinds["shadow"]),
        suppressed=tuple(
            Suppressed(rule=rule, verdict=Verdict.REVIEW, cause=SuppressedBy.SNOOZE, scope="port/1")
            for rule in kinds["suppressed"]
        ),
    )


def hours(rule: str, told: Mapping[int, tuple[int, int]], how: str = "counted") -> list[Decision]:
    """`told` has hits and decisions by number of the hour since 1970."""
    return [
        decided(hour * HOUR_MS + n * 1000, {rule: how} if n < hits else {})
        for hour, (hits, decisions) in told.items()
        for n in range(decisions)
    ]


def put(settings: Settings, decisions: list[Decision]) -> None:
    """Append the decisions to the lake."""
    found = delta.open_table(settings.lake_dir, DECISIONS)
    origins = [Origin("log", DECISIONS.name, 0, n, d.decided_at) for n, d in enumerate(decisions)]
    offset = next(_ids)
    before = found.transaction_version("w")
    delta.append(found, DECISIONS.build(decisions, origins, Privacy(b"secret")), {"w": before}, {"w": offset})
