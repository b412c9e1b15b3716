"""Decided cases are carried out in order, each member once in the database, and nothing before its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy import insert, select

from pipeline.actions.holds import holds
from pipeline.actions.retention.database_expiry import expire
from pipeline.actions.review import claims, releaser
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.places import UNDO_MS
from pipeline.actions.review.releaser import Releaser
from pipeline.actions.status.statuses import status_of
from pipeline.decision.configuration import Config, default_policy
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import Hold, Kind, Outbound, ReviewVerdict
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import ListEntry, Lists
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports, TemplateEntry
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from tests.harness.case_events import LIN, NOW, PORT, add_port, member
from tests.harness.memory_producer import MemoryProducer

EFFECTIVE = NOW + UNDO_MS


@pytest.fixture
def producer() -> MemoryProducer:
    return MemoryProducer()


def outbound(producer: MemoryProducer) -> list[tuple[str, str, Outbound]]:
    """Topic, key and record of each message sent on its way to a carrier."""
    return [(topic, key, msgspec.json.decode(value, type=Outbound)) for topic, key, value in producer.sent]


def at(db: Database, producer: MemoryProducer, now: int, config: Config = Config()) -> Releaser:  # noqa: B008 - immutable
    return Releaser(Settings(kafka="127.0.0.1:9"), db, cast(Any, producer), lambda: config, lambda: now / 1000)


def decided(db: Database, verdict: str, members: list[bytes]) -> str:
    with db.write() as connection:
        project_members(connection, NOW, members)
    (case,) = claims.claim(db, LIN, NOW)
    claims.decide(db, LIN, case.id, verdict, "", NOW, case.last_member)
    return case.id


def statuses(db: Database) -> dict[str, tuple[str, str, str]]:
    with db.read() as connection:
        return {
            row.id: (row.verdict, row.decided_by, row.reasons[0]["rule"])
            for row in connection.execute(select(schema.submissions))
        }


def test_why_a_reviewer_refused_reaches_the_sender(operational_db: Database, producer: MemoryProducer) -> None:
    with operational_db.write() as connection:
        add_port(connection)
        connection.execute(
            insert(schema.api_keys).values(
                key="ab" * 32, port=PORT, callback_url="https://owner.example/", created_at=0
            )
        )
        project_members(connection, NOW, [member("s0")])
    (case,) = claims.claim(operational_db, LIN, NOW)
    with pytest.raises(AntispamError, match="one of fraud"):
        claims.decide(operational_db, LIN, case.id, "reject", "", NOW, case.last_member, refusal="<b>")
    claims.decide(operational_db, LIN, case.id, "reject", "my note", NOW, case.last_member, refusal="fraud")
    drain(at(operational_db, producer, EFFECTIVE))
    with operational_db.read() as connection:
        status = status_of(connection, PORT, "s0")
    assert status is not None
    told = {"rule": "review", "message": "人工审核：涉嫌诈骗或冒充他人", "refusal": "fraud"}
    assert msgspec.to_builtins(status.reasons) == [told]
    with operational_db.read() as connection:
        (body,) = connection.scalars(select(schema.callbacks.c.body))
        said = [m for _, p in unpublished(connection, 10) for m in p.messages if m.topic == "reviews"]
    assert msgspec.json.decode(body)["reasons"] == [told]
    assert b"my note" not in body
    assert msgspec.json.decode(said[0].value or b"", type=ReviewVerdict).refusal == "fraud"


def drain(role: Releaser) -> None:
    while role.step():
        pass


def test_senders_of_a_case_nobody_decided_are_told_so(
    operational_db: Database, producer: MemoryProducer, tmp_path: Path
) -> None:
    with operational_db.write() as connection:
        add_port(connection)
        project_members(connection, NOW, [member("s0")])
    after = NOW + 160 * DAY_MS
    expire(operational_db, Settings(data_dir=tmp_path), after)
    drain(at(operational_db, producer, after))
    assert statuses(operational_db) == {"s0": ("reject", "policy", "unreviewed")}
    assert outbound(producer) == []


def test_members_leave_in_order_once_the_verdict_cannot_be_undone(
    operational_db: Database, producer: MemoryProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releaser, "BATCH", 3)
    with operational_db.write() as connection:
        add_port(connection)
    names = [f"s{i}" for i in range(10)]
    case = decided(operational_db, "release", [member(n, recipients=("13800138000",)) for n in names])
    assert not at(operational_db, producer, EFFECTIVE - 1).step()
    producer.down = True
    with pytest.raises(AntispamError):
        at(operational_db, producer, EFFECTIVE).step()
    producer.down = False
    drain(at(operational_db, producer, EFFECTIVE))
    assert [o.submission.id for _, _, o in outbound(producer)] == names
    assert {(topic, key, o.recipients) for topic, key, o in outbound(producer)} == {
        ("outbound.default.express", PORT, ("13800138000",))
    }
    assert set(statuses(operational_db).values()) == {("release", "lin", "review")}
    with operational_db.write() as connection:
        project_members(connection, NOW, [member("late", at=NOW + 60_000)])
        ((_, publication),) = unpublished(connection, 10)
    drain(at(operational_db, producer, EFFECTIVE))
    assert outbound(producer)[-1][2].submission.id == "late"
    (message,) = publication.messages
    verdict = msgspec.json.decode(message.value or b"", type=ReviewVerdict)
    assert (message.topic, message.key, verdict.verdict, verdict.reviewer) == ("reviews", case, "release", "lin")
    assert (verdict.port, verdict.fingerprint, verdict.rule, verdict.opened_at) == (PORT, "f1", "bulk-declared", NOW)


def test_what_is_released_before_the_time_it_is_scheduled_for_waits_for_it(
    operational_db: Database, producer: MemoryProducer
) -> None:
    """Held as reviewed, its round the next one: screened again, but sent to no reviewer again."""
    with operational_db.write() as connection:
        add_port(connection)
    later = EFFECTIVE + 3_600_000
    decided(operational_db, "release", [member("early", scheduled_at=later), member("due", scheduled_at=EFFECTIVE)])
    drain(at(operational_db, producer, EFFECTIVE))
    assert [topic for topic, _, _ in producer.sent] == ["holds", "outbound.default.express"]
    with operational_db.write() as connection:
        holds.project_holds(connection, EFFECTIVE, [producer.sent[0][2]])
        assert holds.claim_due(connection, later - 1, "a", 10, str) == []
        [due] = holds.claim_due(connection, later, "a", 10, str)
    assert (due.submission.id, due.submission.reviewed, due.submission.round) == ("early", True, 0)


def test_an_advertisement_released_at_night_waits_for_the_morning(
    operational_db: Database, producer: MemoryProducer
) -> None:
    with operational_db.write() as connection:
        add_port(connection)
    code = TemplateEntry(id="t1", text="验证码{n}", kind=Kind.ONE_TIME_CODE)
    ports = Ports([Port(PortEntry(code=PORT, kind=Kind.COMMERCIAL, templates=(code,)))])
    decided(operational_db, "release", [member("sale"), member("code", content="验证码1234")])
    night, morning = NOW + 11 * 3_600_000, NOW + 73_800_000  # 22:30 and 08:00
    drain(at(operational_db, producer, night, Config(epoch=1, policy=parse_policy(default_policy()), ports=ports)))
    assert [topic for topic, _, _ in producer.sent] == ["holds", "outbound.default.express"]
    held = msgspec.json.decode(producer.sent[0][2], type=Hold)
    assert (held.rule, held.due_at, held.submission.id) == ("quiet-hours", morning, "sale")
    assert held.submission.reviewed


def test_what_became_impossible_is_refused_and_the_sender_told(
    operational_db: Database, producer: MemoryProducer
) -> None:
    with operational_db.write() as connection:
        add_port(connection)
        connection.execute(
            insert(schema.api_keys).values(key="k", port=PORT, callback_url="http://127.0.0.1/", created_at=0)
        )
    decided(operational_db, "release", [member("old", valid_until=EFFECTIVE), member("new")])
    drain(at(operational_db, producer, EFFECTIVE))
    assert [o.submission.id for _, _, o in outbound(producer)] == ["new"]
    assert statuses(operational_db)["old"] == ("reject", "policy", "expired")
    with operational_db.write() as connection:
        connection.execute(schema.ports.update().values(state="suspended"))
        project_members(connection, NOW, [member("after", at=NOW + 1)])
    drain(at(operational_db, producer, EFFECTIVE))
    assert statuses(operational_db)["after"] == ("reject", "policy", "port-suspended")
    with operational_db.read() as connection:
        told = [msgspec.json.decode(b) for b in connection.scalars(select(schema.callbacks.c.body))]
    assert [(t["event"], t["id"]) for t in told] == [("rejected", "old"), ("rejected", "after")]


def test_who_unsubscribed_while_the_case_waited_is_not_sent_to(
    operational_db: Database, producer: MemoryProducer
) -> None:
    """Commercial messages only; a blocked number gets none at all; an entry that has run out stops nothing."""
    with operational_db.write() as connection:
        add_port(connection)
    gone, other, blocked, late = "13800138000", "13900139000", "13700137000", "13600136000"
    entries = [
        ListEntry("unsubscribed", f"{PORT}:{gone}", "TD", NEVER),
        ListEntry("blocked", blocked, "", NEVER),
        ListEntry("blocked", late, "", EFFECTIVE),
        ListEntry("unsubscribed", f"1069:{other}", "another port", NEVER),
    ]
    code = TemplateEntry(id="t1", text="验证码{n}", kind=Kind.ONE_TIME_CODE)
    ports = Ports([Port(PortEntry(code=PORT, kind=Kind.COMMERCIAL, templates=(code,)))])
    everyone = (gone, other, blocked, late)
    decided(
        operational_db,
        "release",
        [
            member("sale", recipients=everyone),
            member("code", recipients=everyone, content="验证码1234"),
            member("gone", recipients=(gone,)),
        ],
    )
    drain(at(operational_db, producer, EFFECTIVE, Config(epoch=1, ports=ports, lists=Lists(entries))))
    assert {o.submission.id: o.recipients for _, _, o in outbound(producer)} == {
        "sale": (other, late),
        "code": (gone, other, late),
    }
    assert statuses(operational_db) == {
        "sale": ("release", "lin", "review"),
        "code": ("release", "lin", "review"),
        "gone": ("reject", "policy", "recipient-unsubscribed"),
    }
    with operational_db.read() as connection:
        status = status_of(connection, PORT, "sale")
    assert status is not None
    assert {r.recipient: (r.state, r.rule) for r in status.recipients} == {
        gone: ("rejected", "recipient-unsubscribed"),
        other: ("released", ""),
    }


def test_blacklist_refuses_the_members_and_suspends_the_port(
    operational_db: Database, producer: MemoryProducer
) -> None:
    with operational_db.write() as connection:
        add_port(connection)
    case = decided(operational_db, "blacklist", [member("a"), member("b")])
    drain(at(operational_db, producer, EFFECTIVE))
    assert outbound(producer) == []
    assert statuses(operational_db) == dict.fromkeys("ab", ("blacklist", "lin", "review"))
    with operational_db.read() as connection:
        assert connection.scalar(select(schema.ports.c.state)) == "suspended"
        (action,) = connection.execute(select(schema.actions)).all()
    assert (action.kind, action.subject, action.evidence, action.actor) == ("suspend", PORT, f"case/{case}", "lin")


def test_the_fifth_refused_bulk_case_suspends_the_port(operational_db: Database, producer: MemoryProducer) -> None:
    with operational_db.write() as connection:
        add_port(connection)
    many = tuple(f"138001{n:05d}" for n in range(51))
    states = []
    for n in range(6):
        few = n == 0  # a refused case that is not bulk does not count
        decided(operational_db, "reject", [member(f"s{n}", f"f{n}", recipients=many[:1] if few else many)])
        drain(at(operational_db, producer, EFFECTIVE))
        with operational_db.read() as connection:
            states.append(connection.scalar(select(schema.ports.c.state)))
    assert states == ["open"] * 5 + ["suspended"]


@pytest.mark.long
def test_two_releasers_settle_each_member_once(
    operational_db: Database, producer: MemoryProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with operational_db.write() as connection:
        add_port(connection)
        connection.execute(
            insert(schema.api_keys).values(key="k", port=PORT, callback_url="http://127.0.0.1/", created_at=0)
        )
    decided(operational_db, "reject", [member("a")])
    other = at(operational_db, producer, EFFECTIVE)

    producer.meanwhile = lambda: drain(other)  # does the whole batch while this one is sending it
    drain(at(operational_db, producer, EFFECTIVE))
    with operational_db.read() as connection:
        assert len(connection.execute(select(schema.callbacks)).all()) == 1
