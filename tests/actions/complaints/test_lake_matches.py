"""Waiting complaints find their messages in the lake, and months their numbers of messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.actions.complaints.intake import take
from pipeline.actions.complaints.lake_matches import match_waiting
from pipeline.actions.complaints.rates import count_months, rates
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.events import Complaint, Outbound, Record, RecordKind, Submission
from pipeline.file_exchange import COMPLAINT_SHAPES
from pipeline.lake.tables import DECISIONS, OUTBOUND, RECORDS, SUBMISSIONS, TEXTS, TEXTS_OF
from pipeline.lake.views import connect
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, add_port, rows
from tests.harness.lake.events import decision
from tests.harness.lake.rows import put_rows

pytestmark = pytest.mark.long

LOAN = "【惠民易贷】您的30万额度已审批，点击 http://loan.example.com/a8K2 提款，回T退订"
HOUSE = "【盛世地产】滨江壹号开盘在即，首付30万起，看房专车接送"
SENT = ("13800138000", "13811118000")
PERSON = "13712345678"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The lake: s1 went to SENT and was refused for a third number, s2 was held back; a person wrote to one of them."""
    settings = Settings(data_dir=tmp_path)
    at = NOW - 2 * DAY_MS
    loan = Submission(id="s1", port=PORT + "88", recipients=(*SENT, "13900139000"), content=LOAN, accepted_at=at)
    house = Submission(id="s2", port=PORT, recipients=("13900139000",), content=HOUSE, accepted_at=at)
    record = Record(
        id="r1", kind=RecordKind.MO, sender=PERSON, recipient=SENT[0], content="办证", submitted_at=at, ingested_at=at
    )
    put_rows(settings, SUBMISSIONS, [loan, house])
    put_rows(settings, TEXTS, [loan, house])
    put_rows(settings, RECORDS, [record])
    put_rows(settings, TEXTS_OF["records"], [record])
    put_rows(settings, OUTBOUND, [Outbound(submission=loan, recipients=SENT, round=0, decided_at=at)])
    decided = msgspec.structs.replace(
        decision("s1", port=PORT, at=at), sender=PORT + "88", campaign="c00000000000000aa"
    )
    put_rows(settings, DECISIONS, [decided, decision("later", at=NOW + HOUR_MS)])
    return settings


def complain(db: Database, *given: dict[str, Any]) -> None:
    usual = {"port": PORT, "recipient": SENT[0], "complained_at": NOW, "content": LOAN}
    complaints = [msgspec.convert({"id": f"c{n}"} | usual | each, Complaint) for n, each in enumerate(given)]
    with db.write() as connection:
        take(connection, NOW, complaints, COMPLAINT_SHAPES)


def found(db: Database) -> list[tuple[str, str, str, str]]:
    return sorted((row.id, row.found, row.doubt, row.message) for row in rows(db, schema.complaints))


def test_each_complaint_gets_its_message_or_its_doubt(any_db: Database, settings: Settings) -> None:
    with any_db.write() as c:
        add_port(c)
    complain(
        any_db,
        {},
        {"recipient": "1381111****"},
        {"recipient": "138****8000"},
        {"recipient": "13900139000"},
        {"recipient": "13900139000", "content": HOUSE},
        {"recipient": "13700137000"},
        {"port": PERSON, "content": "办证"},
        {"port": PERSON, "content": "办证", "complained_at": NOW - 3 * DAY_MS},
        {"port": PORT + "99"},
    )
    done = match_waiting(any_db, connect(settings).cursor(), settings, NOW + MINUTE_MS)
    assert found(any_db) == [
        ("c0", "matched", "", "s1"),
        ("c1", "matched", "", "s1"),
        ("c2", "doubtful", "hidden_number", "s1"),
        ("c3", "doubtful", "not_sent", "s1"),
        ("c4", "doubtful", "not_sent", "s2"),
        ("c5", "unmatched", "no_message", ""),
        ("c6", "matched", "", "r1"),
        ("c7", "unmatched", "no_message", ""),  # it was written a day later
        ("c8", "unmatched", "no_message", ""),  # another extension
    ]
    assert done == {"matched": 3, "doubtful": 3, "unmatched": 3}
    first, second = (row for row in rows(any_db, schema.complaints) if row.id in ("c0", "c1"))
    assert first.campaign == second.campaign == "c00000000000000aa"
    assert second.blocked_at == NOW + MINUTE_MS  # its number is known now
    blocked = {row.value for row in rows(any_db, schema.list_entries)}
    assert blocked == {f"{PORT}:{n}" for n in (*SENT, "13900139000", "13700137000")}
    again = match_waiting(any_db, connect(settings).cursor(), settings, NOW + HOUR_MS)
    assert again == {"matched": 0, "doubtful": 0, "unmatched": 0}


def test_a_complaint_waits_for_a_lake_that_is_behind_but_not_for_ever(
    operational_db: Database, settings: Settings
) -> None:
    complain(operational_db, {"recipient": "13700137000", "complained_at": NOW + HOUR_MS})
    lake = connect(settings).cursor()
    assert match_waiting(operational_db, lake, settings, NOW + HOUR_MS)["unmatched"] == 0
    assert match_waiting(operational_db, lake, settings, NOW + 2 * DAY_MS)["unmatched"] == 1


def test_an_empty_lake_matches_nothing(operational_db: Database, tmp_path: Path) -> None:
    empty = Settings(data_dir=tmp_path / "empty")
    complain(operational_db, {})
    assert sum(match_waiting(operational_db, connect(empty).cursor(), empty, NOW).values()) == 0


def test_a_rate_is_per_million_messages_that_left(any_db: Database, settings: Settings) -> None:
    viewer = User("v", Role.VIEWER)
    with any_db.write() as c:
        c.execute(schema.enterprises.insert().values(id="e1", name="甲", created_at=0))
        add_port(c, enterprise="e1")
        add_port(c, "10690002", enterprise="e1")
    complain(any_db, {}, {"recipient": "13700137000"}, {"port": "10690002"}, {"port": PERSON})
    lake = connect(settings).cursor()
    assert count_months(any_db, lake, "Asia/Shanghai", NOW) == 1
    assert count_months(any_db, lake, "Asia/Shanghai", NOW + DAY_MS) == 1
    by_port = rates(any_db, viewer, "port", "2025-11", "Asia/Shanghai")
    assert [(r.name, r.messages, r.total, r.per_million) for r in by_port] == [
        ("10690002", 0, 1, None),
        (f"{PERSON[:3]}****{PERSON[-4:]}", 0, 1, None),
        (PORT, 2, 2, 1_000_000.0),
    ]
    (firm, nobody) = sorted(rates(any_db, viewer, "enterprise", "2025-11", "Asia/Shanghai"), key=lambda r: -r.total)
    assert (firm.name, firm.messages, firm.total) == ("e1", 2, 3)
    assert nobody.name == ""
    months = rates(any_db, viewer, "month", "2025-11", "Asia/Shanghai")
    assert [(r.name, r.total) for r in months[:2]] == [("2025-11", 4), ("2025-10", 0)]
    assert len(months) == 12
    scoped = User("v", Role.VIEWER, {"enterprise": "e2"})
    assert rates(any_db, scoped, "port", "2025-11", "Asia/Shanghai") == []
