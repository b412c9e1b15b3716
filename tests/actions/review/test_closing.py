"""When review hours end, what still waits is refused if the policy says so."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from pipeline.actions.conduct.port_conduct import REFUSED_BULK
from pipeline.actions.holds.timers import Timers
from pipeline.actions.review import claims
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.closing import close_cases
from pipeline.actions.review.places import UNDO_MS
from pipeline.actions.review.releaser import Releaser
from pipeline.decision.configuration import Config
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import Priority
from pipeline.rules.policies.policy import parse_policy
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import LIN, NOW, PORT, add_port, member, rows
from tests.harness.memory_producer import MemoryProducer

CLOSING = NOW + 6 * HOUR_MS  # Tuesday 17:30 in Shanghai
BULK = Priority.BULK


def arrive(db: Database, *members: bytes) -> None:
    with db.write() as connection:
        project_members(connection, NOW, members)


def close(db: Database, now: int, *, refuses: bool = True) -> int:
    return close_cases(db, now, 10, refuses=refuses)


def states(db: Database) -> dict[str, str]:
    return {row.fingerprint: row.state for row in rows(db, schema.cases)}


def carry_out(db: Database, now: int) -> MemoryProducer:
    producer = MemoryProducer()
    role = Releaser(Settings(kafka="127.0.0.1:9"), db, cast(Any, producer), lambda: Config(), lambda: now / 1000)
    while role.step():
        pass
    return producer


def test_the_senders_of_what_waits_at_closing_time_are_told_why_it_was_refused(any_db: Database) -> None:
    arrive(any_db, member("a", priority=BULK))
    assert (close(any_db, CLOSING - 1), states(any_db)) == (0, {"f1": "open"})
    assert (close(any_db, CLOSING), states(any_db)) == (1, {"f1": "decided"})
    assert carry_out(any_db, CLOSING).sent == []
    s = schema.submissions
    with any_db.read() as connection:
        (found,) = connection.execute(select(s.c.verdict, s.c.decided_by, s.c.reasons)).all()
    assert (found.verdict, found.decided_by, found.reasons[0]["rule"]) == ("reject", "policy", "review-closed")
    assert rows(any_db, schema.timers) == []


def test_a_case_with_an_express_message_waits_for_a_person(operational_db: Database) -> None:
    arrive(
        operational_db,
        member("a", priority=BULK),
        member("b", priority=Priority.EXPRESS),
        member("c", "f2", priority=BULK),
    )
    assert close(operational_db, CLOSING) == 2
    assert states(operational_db) == {"f1": "open", "f2": "decided"}


def test_a_case_that_was_queued_is_asked_again_at_the_next_closing_time(operational_db: Database) -> None:
    arrive(operational_db, member("a", priority=BULK))
    assert (close(operational_db, CLOSING, refuses=False), states(operational_db)) == (1, {"f1": "open"})
    assert close(operational_db, CLOSING + DAY_MS - 1) == 0
    assert (close(operational_db, CLOSING + DAY_MS), states(operational_db)) == (1, {"f1": "decided"})


def test_closing_time_is_that_of_the_port(operational_db: Database) -> None:
    with operational_db.write() as connection:
        add_port(connection, zone="Asia/Urumqi")
    arrive(operational_db, member("a", priority=BULK))
    urumqi = int(datetime(2025, 11, 25, 17, 30, tzinfo=ZoneInfo("Asia/Urumqi")).timestamp() * 1000)
    assert (close(operational_db, urumqi - 1), close(operational_db, urumqi)) == (0, 1)


def test_a_case_older_than_closing_times_is_closed_at_the_next_one(operational_db: Database) -> None:
    arrive(operational_db, member("a", priority=BULK), member("b", "f2", priority=BULK))
    mine = next(case for case in claims.claim(operational_db, LIN, NOW) if case.fingerprint == "f2")
    claims.decide(operational_db, LIN, mine.id, "release", "", NOW, mine.last_member)
    with operational_db.write() as connection:  # as a migration leaves them
        connection.execute(update(schema.timers).where(schema.timers.c.kind == "review-closed").values(due_at=0))
    assert (close(operational_db, NOW), states(operational_db)) == (2, {"f1": "open", "f2": "decided"})
    claims.undo(operational_db, LIN, mine.id, NOW + 1)
    assert close(operational_db, CLOSING - 1) == 0
    assert (close(operational_db, CLOSING), states(operational_db)) == (2, {"f1": "decided", "f2": "decided"})


def test_a_verdict_before_closing_time_stands_and_an_undone_one_does_not_hide_the_case(
    operational_db: Database,
) -> None:
    arrive(operational_db, member("a", priority=BULK), member("b", "f2", priority=BULK))
    for case in claims.claim(operational_db, LIN, CLOSING - 100):
        claims.decide(operational_db, LIN, case.id, "release", "", CLOSING - 100, case.last_member)
    assert close(operational_db, CLOSING) == 2
    undone = next(row.id for row in rows(operational_db, schema.cases) if row.fingerprint == "f2")
    claims.undo(operational_db, LIN, undone, CLOSING + 1)
    carry_out(operational_db, CLOSING + UNDO_MS)
    assert close(operational_db, CLOSING + UNDO_MS + 1000) == 1
    found = {row.fingerprint: (row.verdict, row.decided_by) for row in rows(operational_db, schema.cases)}
    assert found == {"f1": ("release", LIN.name), "f2": ("reject", "pipeline")}


def test_nobody_has_judged_a_closed_case(operational_db: Database) -> None:
    """Neither the same text of the next morning nor the conduct of its port follows."""
    with operational_db.write() as connection:
        add_port(connection)
    crowd = tuple(str(13_800_000_000 + n) for n in range(51))
    for n in range(REFUSED_BULK):
        arrive(operational_db, member(f"s{n}", f"f{n}", recipients=crowd, priority=BULK))
    assert close(operational_db, CLOSING) == REFUSED_BULK
    carry_out(operational_db, CLOSING)
    morning = CLOSING + 16 * HOUR_MS
    arrive(operational_db, member("again", "f0", morning, priority=BULK))
    assert sorted(row.state for row in rows(operational_db, schema.cases)) == ["effective"] * REFUSED_BULK + ["open"]
    assert [row.state for row in rows(operational_db, schema.ports) if row.code == PORT] == ["open"]


def test_the_role_asks_the_policy_in_force_at_closing_time(operational_db: Database) -> None:
    arrive(operational_db, member("a", priority=BULK))
    policy, clock = ["queue"], [CLOSING]

    def config() -> Config:
        return Config(policy=parse_policy(f"outside_review_hours: {policy[0]}\nrules: []\n"))

    role = Timers(operational_db, cast(Any, MemoryProducer()), config, lambda: clock[0] / 1000)
    while role.step():
        pass
    assert states(operational_db) == {"f1": "open"}
    policy[0], clock[0] = "refuse", CLOSING + DAY_MS
    while role.step():
        pass
    assert states(operational_db) == {"f1": "decided"}
