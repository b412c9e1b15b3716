"""After a person's release only quiet hours still make a submission wait."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from pipeline.decision.after_review import waits_until
from pipeline.events import Kind
from pipeline.rules.policies.policy import parse_policy
from tests.harness.screening_events import config, port, submission

SALE = "【示例商城】会员积分月底到期，拒收请回复R"
MORNING = int(datetime.fromisoformat("2025-10-10T08:00:00+08:00").timestamp() * 1000)
NIGHT, NOON = MORNING - 10 * 3_600_000, MORNING - 20 * 3_600_000
QUIET = """\
rules:
  - {id: quiet, event: submission, description: night, when: 'kind == "commercial" && local_hour >= 21', verdict: hold,
     hold_until: "08:00"}
  - {id: early, event: submission, description: night, when: 'kind == "commercial" && local_hour >= 21', verdict: hold,
     hold_until: "06:00"}
  - {id: short, event: submission, description: grace, when: 'messages > 0', verdict: hold, hold: 10s}
  - {id: refused, event: submission, description: words, when: 'messages > 0', verdict: reject, severity: 99}
  - {id: asked, event: submission, description: bulk, when: 'messages > 0', verdict: review}
"""


@pytest.mark.parametrize(
    ("kind", "now", "wait"),
    [
        (Kind.COMMERCIAL, NIGHT, ("quiet", MORNING)),
        (Kind.COMMERCIAL, NOON, None),
        (Kind.NOTICE, NIGHT, None),
    ],
)
def test_a_released_advertisement_waits_for_the_morning(kind: Kind, now: int, wait: tuple[str, int] | None) -> None:
    known = config(port(kind=kind), policy=parse_policy(QUIET))
    accepted = msgspec.structs.replace(submission(SALE), accepted_at=NOON)
    assert waits_until([accepted, accepted], known, now) == [wait, wait]


def test_without_such_rules_nothing_is_screened_again() -> None:
    assert waits_until([submission(SALE)], config(port(kind=Kind.COMMERCIAL)), NIGHT) == [None]
