"""Traces are started with a reason, end by themselves, stay small, and show numbers to few. Both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from pipeline.actions.tracing import traces
from pipeline.actions.tracing.recorder import Noted
from pipeline.actions.tracing.subject import Subject, Trace
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import register_ports

BO, CHIEF = User("bo", Role.OPERATOR), User("chief", Role.ADMINISTRATOR)
SENIOR = User("wen", Role.SENIOR_REVIEWER)  # sees full texts, and no channel
PHONE = "13800138000"
NOW = 1_800_000_000_000


def start(db: Database, subject: Subject = Subject.NUMBER, value: str = "+86 138 0013 8000") -> int:
    return traces.start(db, BO, subject, value, 10, "they see no reports", NOW)


def noted(trace: int, n: int = 0) -> Noted:
    body = {"sequence": n, "src_terminal_id": PHONE, "text": "您好"}
    return Noted(trace=trace, at=NOW + n, channel="default", link=0, outgoing=False, command="Deliver", body=body)


def test_a_trace_runs_for_its_time_and_can_be_stopped(any_db: Database) -> None:
    trace = start(any_db)
    assert traces.running(any_db, NOW) == [Trace(trace, Subject.NUMBER, PHONE, NOW + 10 * MINUTE_MS)]
    assert traces.running(any_db, NOW + 10 * MINUTE_MS) == []
    assert traces.stop(any_db, BO, trace, NOW + 5)
    assert not traces.stop(any_db, BO, trace, NOW + 6)
    assert traces.running(any_db, NOW + 5) == []
    with any_db.read() as connection:
        rows = connection.execute(select(schema.audit.c.action, schema.audit.c.subject)).all()
    assert rows == [("trace.start", "number/138****8000"), ("trace.stop", f"trace/{trace}")]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13800138000", "138****8000"),
        ("1064912345678", "106****5678"),  # a machine
        ("075582345678", "075****5678"),
        ("4008001234", "****"),
    ],
)
def test_no_list_and_no_audit_row_has_the_number(operational_db: Database, number: str, shown: str) -> None:
    start(operational_db, value=number)
    assert [row.value for row in traces.traces(operational_db, BO)] == [shown]
    with operational_db.read() as connection:
        assert connection.scalar(select(schema.audit.c.subject)) == f"number/{shown}"


def test_frames_come_back_in_order_and_only_few_see_all_of_them(any_db: Database) -> None:
    trace = start(any_db)
    traces.store(any_db, [noted(trace, 1), noted(trace, 2)])
    found = traces.frames(any_db, BO, trace)
    assert [each.at - NOW for each in found] == [1, 2]
    assert found[0].body == {"sequence": 1, "src_terminal_id": "138****8000", "text": "(2)"}
    for user in (BO, SENIOR):
        with pytest.raises(Forbidden):
            traces.full_frames(any_db, user, trace, "a reason", NOW)
    assert traces.full_frames(any_db, CHIEF, trace, "a reason", NOW)[0].body["src_terminal_id"] == PHONE
    with any_db.read() as connection:
        last = connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc())).first()
    assert last is not None
    assert (last.actor, last.action, last.reason) == ("chief", "reveal", "a reason")


def test_a_trace_that_is_full_ends(any_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST_FRAMES", 3)
    trace = start(any_db)
    traces.store(any_db, [noted(trace, n) for n in range(2)])
    assert traces.running(any_db, NOW + 5)
    traces.store(any_db, [noted(trace, n) for n in range(2, 6)])
    assert traces.running(any_db, NOW + 5) == []
    assert len(traces.frames(any_db, BO, trace)) == 3
    (row,) = traces.traces(any_db, BO)
    assert row.frames == 3


@pytest.mark.parametrize(
    ("subject", "value", "minutes", "reason"),
    [
        (Subject.NUMBER, "nobody", 10, "a reason"),
        (Subject.PORT, "abc", 10, "a reason"),
        (Subject.CHANNEL, " ", 10, "a reason"),
        (Subject.CHANNEL, "default", 0, "a reason"),
        (Subject.CHANNEL, "default", 61, "a reason"),
        (Subject.CHANNEL, "default", 10, ""),
    ],
)
def test_what_makes_no_sense_is_refused(
    operational_db: Database, subject: Subject, value: str, minutes: int, reason: str
) -> None:
    with pytest.raises(AntispamError):
        traces.start(operational_db, BO, subject, value, minutes, reason, NOW)


def test_a_port_is_one_of_the_registry(operational_db: Database) -> None:
    register_ports(operational_db, NOW)
    for unknown in ("1", "1069", "1069999", "9510690001"):
        with pytest.raises(AntispamError, match="registered port"):
            start(operational_db, Subject.PORT, unknown)
    start(operational_db, Subject.PORT, "10690001")
    start(operational_db, Subject.PORT, "1069000101")  # with its extension
    assert [row.value for row in traces.traces(operational_db, BO)] == ["1069000101", "10690001"]


def test_not_too_many_run_at_once(any_db: Database) -> None:
    """Also if all are started in the same moment."""

    def refusal(_: int) -> str:
        try:
            start(any_db)
        except AntispamError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as threads:
        refusals = list(threads.map(refusal, range(traces.MOST_RUNNING + 8)))
    assert len(traces.running(any_db, NOW)) == traces.MOST_RUNNING
    assert refusals.count("10 traces run; stop one first") == 8
