"""What waits for a fact ends: when it has come, or is over, and then its sender is told. Cases are ordered again."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import select

from pipeline.actions.holds import holds, timers
from pipeline.actions.review.case_members import project_members
from pipeline.decision.configuration import Config
from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.events import Hold, encode
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.policies.policy import parse_policy
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import NOW, member, rows, submission
from tests.harness.memory_producer import MemoryProducer


def test_a_hold_for_a_port_nobody_registers_is_refused(operational_db: Database) -> None:
    producer = MemoryProducer()
    short, late = submission("short", valid_until=NOW + 1000), submission("late", scheduled_at=NOW + DAY_MS)
    given = [short, submission("long"), late]
    with operational_db.write() as connection:
        records = [encode(Hold(submission=one, rule=BuiltInRule.PORT_UNKNOWN, due_at=None, epoch=1)) for one in given]
        holds.project_holds(connection, NOW, records)
    clock = [NOW]
    role = timers.Timers(operational_db, cast(Any, producer), lambda: Config(), lambda: clock[0] / 1000)

    def refused_by(now: int) -> dict[str, str]:
        clock[0] = now
        while role.step():
            pass
        s = schema.submissions
        with operational_db.read() as connection:
            found = connection.execute(select(s.c.id, s.c.reasons, s.c.verdict)).all()
        assert {row.verdict for row in found} <= {"reject"}
        return {row.id: row.reasons[0]["rule"] for row in found}

    assert refused_by(NOW + 999) == {}
    assert refused_by(NOW + 1000) == {"short": "expired"}
    assert refused_by(NOW + 3 * DAY_MS) == {"short": "expired", "long": "unmet"}
    assert refused_by(NOW + 4 * DAY_MS) == {"short": "expired", "long": "unmet", "late": "unmet"}
    assert producer.sent == []


def test_open_cases_are_ordered_again_every_minute(operational_db: Database) -> None:
    with operational_db.write() as connection:
        project_members(connection, NOW, [member("s1")])
    queues = "queues:\n  - {name: all, description: all, when: messages > 0}\nrules: []\n"
    config, clock = Config(policy=parse_policy(queues)), [NOW]
    role = timers.Timers(operational_db, cast(Any, MemoryProducer()), lambda: config, lambda: clock[0] / 1000)
    stamps = []
    for now in (NOW, NOW + MINUTE_MS - 1, NOW + MINUTE_MS):
        clock[0] = now
        role.step()
        (case,) = rows(operational_db, schema.cases)
        stamps.append((case.queue, case.urgency))
    assert stamps == [("all", 10.0), ("all", 10.0), ("all", 20.0)]
