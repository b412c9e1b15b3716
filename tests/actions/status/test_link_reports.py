"""Every message from a link gets its reports once it is final, whatever comes first. They wait for the port."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline.actions.senders import deliveries
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.actions.senders.settling import Report as CarrierReport
from pipeline.actions.status import link_outcomes
from pipeline.actions.status.link_deliveries import LEASE_MS, REFUSED, Answers, Report, Waiting, Wish, lease, settle
from pipeline.actions.status.link_outcomes import came_over_a_link, make_reports
from pipeline.actions.status.statuses import project_decisions, project_submissions
from pipeline.actions.status.verdict_overrides import VerdictOverride, override_verdicts
from pipeline.durations import DAY_MS
from pipeline.events import Origin, Submission, Verdict, encode
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import schema
from pipeline.store.database import Database

NOW = 1_700_000_000_000  # 2023-11-15 06:13 in China
PORT, SENDER, ID = "10690001", "1069000105", "abcdefghijkl2"
PEOPLE = ("13800000001", "13800000002")
WISH = Wish("900001", PORT, "cmpp", 100)


def submission(recipients: tuple[str, ...] = PEOPLE, ids: tuple[str, ...] = ("01", "02"), **origin: Any) -> Submission:
    return Submission(
        id=ID,
        port=SENDER,
        recipients=recipients,
        content="你好",
        accepted_at=NOW,
        origin=Origin(account="900001", protocol="cmpp", ids=ids, **origin),
    )


def decision(verdict: str, rule: str = "words", **more: Any) -> bytes:
    reason = {"rule": rule, "verdict": verdict, "severity": 3, "message": "a word", "values": {}, "spans": []}
    values = {"id": ID, "round": 0, "verdict": verdict, "exceptions": [], "reasons": [reason], "source": "submission"}
    values |= {"port": PORT, "sender": SENDER, "accepted_at": NOW, "decided_at": NOW + 5}
    return msgspec.json.encode(values | more)


def project(db: Database, *records: Submission | bytes) -> None:
    for record in records:
        with db.write() as connection:
            if isinstance(record, bytes):
                project_decisions(connection, NOW, [record])
            else:
                project_submissions(connection, NOW, [encode(record)])


def made(db: Database, now: int = NOW, wish: Wish = WISH) -> list[Waiting]:
    """Make the reports that can be made, and lease them."""
    with db.write() as connection:
        make_reports(connection, now, "Asia/Shanghai")
        return lease(connection, [wish], now)[wish]


def seen(waiting: list[Waiting]) -> list[tuple[str, int, str, str]]:
    reports = [one.content for one in waiting if isinstance(one.content, Report)]
    return [(report.id, report.n, report.recipient, report.status) for report in reports]


def part(number: int = 1, total: int = 1, n: int = 1, **fields: Any) -> Part:
    return Part(
        port=SENDER,
        code=PORT,
        submission=ID,
        n=n,
        number=number,
        recipient=PEOPLE[n - 1],
        frame=b"",
        valid_until=None,
        total=total,
        **fields,
    )


def sent(db: Database, parts: list[Part], **fields: Any) -> None:
    """The parts are at the carrier, with the ids c<n>.<number>, unless `fields` say otherwise."""
    deliveries.advance(db, "default", [], parts, NOW)
    for each in parts:
        each.state, each.carrier_id, each.tries = DeliveryState.SUBMITTED, f"c{each.n}.{each.number}", 1
        each.submitted_at = NOW
        for name, value in fields.items():
            setattr(each, name, value)
    deliveries.advance(db, "default", parts, [], NOW)


def reported(db: Database, each: Part, status: str = "DELIVRD") -> None:
    state = DeliveryState.DELIVERED if status == "DELIVRD" else DeliveryState.FAILED
    report = CarrierReport(each.carrier_id or "", state, status, SENDER, each.recipient, NOW + 1000)
    deliveries.take_reports(db, "default", [report], NOW + 1000)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_refusal_is_reported_for_each_part_and_recipient(any_db: Database, order: tuple[int, ...]) -> None:
    records: list[Submission | bytes] = [submission(), decision("reject")]
    project(any_db, *(records[place] for place in order))
    reports = made(any_db)
    assert seen(reports) == [
        (ident, n, recipient, "AS:0001") for n, recipient in enumerate(PEOPLE) for ident in ("01", "02")
    ]
    report = reports[0].content
    assert isinstance(report, Report)
    assert (report.sender, report.submitted, report.done) == (SENDER, "2311150613", "2311150613")


def test_an_outcome_waits_for_its_submission_and_not_for_ever(any_db: Database) -> None:
    project(any_db, decision("reject"))
    assert made(any_db) == []
    assert made(any_db, NOW + 3 * DAY_MS) == []
    with any_db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.link_outcomes)) == 0


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (BuiltInRule.EXPIRED.value, "EXPIRED"),
        (BuiltInRule.REVIEW_CLOSED.value, "AS:0003"),
        (BuiltInRule.PORT_SUSPENDED.value, "AS:0004"),
        ("prohibited", "AS:0001"),
    ],
)
def test_the_word_of_a_refusal_says_its_kind(any_db: Database, rule: str, status: str) -> None:
    project(any_db, submission(PEOPLE[:1], ("01",)), decision("reject", rule))
    assert seen(made(any_db)) == [("01", 0, PEOPLE[0], status)]


def test_a_reviewer_s_refusal_is_reported(any_db: Database) -> None:
    whole = submission(PEOPLE[:1], ("01",))
    project(any_db, whole, decision("review"))
    assert made(any_db) == []
    refusal = VerdictOverride(whole, 0, Verdict.REJECT, "anna", BuiltInRule.REVIEWED)
    with any_db.write() as connection:
        override_verdicts(connection, NOW, [refusal])
    assert seen(made(any_db)) == [("01", 0, PEOPLE[0], "AS:0002")]


def test_who_is_left_out_of_a_release_is_reported_and_who_is_not_waits_for_the_carrier(any_db: Database) -> None:
    left_out = [{"recipient": PEOPLE[0], "verdict": "reject", "rule": "recipient-unsubscribed"}]
    project(any_db, submission(ids=("01",)), decision("release", exceptions=left_out))
    assert seen(made(any_db)) == [("01", 0, PEOPLE[0], "AS:0001")]
    other = part(n=2)
    sent(any_db, [other])
    reported(any_db, other)
    assert seen(made(any_db)) == [("01", 1, PEOPLE[1], "DELIVRD")]


def test_a_held_submission_is_not_reported(any_db: Database) -> None:
    project(any_db, submission(), decision("hold"))
    assert made(any_db) == []


def test_a_message_is_reported_when_its_last_part_is_final_with_its_worst_word(any_db: Database) -> None:
    """The port sent three parts, we sent two."""
    project(any_db, submission(PEOPLE[:1], ("01", "02", "03")), decision("release"))
    parts = [part(1, 2), part(2, 2)]
    sent(any_db, parts)
    reported(any_db, parts[1], "MA:0001")
    assert made(any_db) == []
    reported(any_db, parts[0])
    assert seen(made(any_db)) == [(ident, 0, PEOPLE[0], "MA:0001") for ident in ("01", "02", "03")]
    reported(any_db, parts[0])  # again
    assert made(any_db) == []


@pytest.mark.postgresql
def test_two_senders_that_end_the_last_two_parts_at_once_make_one_report(
    postgres_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have written their part and not committed when they look at the other's."""
    parts = [part(1, 2), part(2, 2)]
    project(postgres_db, submission(PEOPLE[:1], ("01",)), decision("release"))
    sent(postgres_db, parts)
    written, looked = Barrier(2), Barrier(2)
    lock, put = deliveries.lock_messages, link_outcomes.put

    def at_once(*arguments: Any) -> None:
        written.wait(10)
        lock(*arguments)

    def put_late(*arguments: Any) -> None:
        with suppress(BrokenBarrierError):  # with the lock, only one has looked by now
            looked.wait(0.5)
        put(*arguments)

    monkeypatch.setattr(deliveries, "lock_messages", at_once)
    monkeypatch.setattr(link_outcomes, "put", put_late)
    with ThreadPoolExecutor(2) as senders:
        for done in [senders.submit(reported, postgres_db, each) for each in parts]:
            done.result()
    assert seen(made(postgres_db)) == [("01", 0, PEOPLE[0], "DELIVRD")]


def test_a_message_of_which_a_part_has_not_left_yet_is_not_final(any_db: Database) -> None:
    project(any_db, submission(PEOPLE[:1], ("01",)), decision("release"))
    first = part(1, 2)
    sent(any_db, [first])
    reported(any_db, first)
    assert made(any_db) == []


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (DeliveryState.REFUSED, "AS:0005"),
        (DeliveryState.EXPIRED, "EXPIRED"),
        (DeliveryState.STOPPED, "AS:0004"),
    ],
)
def test_what_no_carrier_reports_is_reported(any_db: Database, state: DeliveryState, status: str) -> None:
    project(any_db, submission(PEOPLE[:1], ("01",)), decision("release"))
    sent(any_db, [part()], state=state, carrier_id=None)
    assert seen(made(any_db)) == [("01", 0, PEOPLE[0], status)]


def test_registered_delivery_0_gets_no_report(any_db: Database) -> None:
    project(any_db, submission(ids=()), decision("reject"))
    assert made(any_db) == []
    with any_db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.link_outcomes)) == 0


def test_who_asked_for_failures_gets_only_these(any_db: Database) -> None:
    project(any_db, submission(ids=("01",), failures_only=True), decision("release"))
    parts = [part(n=1), part(n=2)]
    sent(any_db, parts)
    reported(any_db, parts[0])
    reported(any_db, parts[1], "UNDELIV")
    assert seen(made(any_db)) == [("01", 1, PEOPLE[1], "UNDELIV")]


def test_other_accounts_and_protocols_do_not_get_them(any_db: Database) -> None:
    project(any_db, submission(), decision("reject"))
    assert made(any_db, wish=Wish("900001", PORT, "smpp", 9)) == []
    assert made(any_db, wish=Wish("900002", PORT, "cmpp", 9)) == []
    assert len(made(any_db)) == 4


def test_a_leased_report_comes_again_if_nobody_answered(any_db: Database) -> None:
    project(any_db, submission(PEOPLE[:1], ("01", "02")), decision("reject"))
    one, other = made(any_db)
    assert made(any_db) == []
    with any_db.write() as connection:
        settle(connection, Answers(accepted=[one.id], unanswered=[other.id]), NOW)
    assert [waiting.id for waiting in made(any_db)] == [other.id]
    assert made(any_db, NOW + LEASE_MS - 1) == []
    assert [waiting.id for waiting in made(any_db, NOW + LEASE_MS)] == [other.id]


def test_a_report_that_the_port_does_not_accept_comes_again_later_and_at_last_not(any_db: Database) -> None:
    project(any_db, submission(PEOPLE[:1], ("01",)), decision("reject"))
    now = NOW
    for tried in range(1, (REFUSED.tries or 0) + 1):
        (waiting,) = made(any_db, now)
        with any_db.write() as connection:
            settle(connection, Answers(refused=[waiting.id]), now)
        if not REFUSED.exhausted(tried):
            assert made(any_db, now) == []
        now += int(REFUSED.pause(tried) * 1000)
    assert made(any_db, now + DAY_MS) == []


@pytest.mark.parametrize(("ident", "over"), [(ID, True), ("s-1", False), ("abcdefghijkl1", False), ("a" * 14, False)])
def test_ids_of_the_api_are_mostly_known_at_once(ident: str, over: bool) -> None:
    assert came_over_a_link(ident) is over
