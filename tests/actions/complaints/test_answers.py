"""Answers are given once, and their file can be made again, in the form of the channel."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from pipeline.actions.complaints.answers import answer, answer_file, answered
from pipeline.actions.complaints.complaint_list import Filters, complaints, counts
from pipeline.actions.complaints.intake import take
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import Complaint
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, add_port, rows

OPS = User("ops", Role.OPERATOR)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def db(any_db: Database, settings: Settings) -> Database:
    given = (("a", "13800138000", "12321"), ("b", "139****9000", "12321"), ("c", "13800138001", "hotline"))
    with any_db.write() as c:
        add_port(c)
        for n, (ident, number, source) in enumerate(given):
            complaint = Complaint(
                id=ident,
                port=PORT + "1",
                recipient=number,
                complained_at=NOW,
                source=source,
                reference=f"={ident}",
                content=f"电 13900000001 {n}",
            )
            take(c, NOW + n, [complaint], settings.complaint_shapes)
        table = schema.complaints
        c.execute(table.update().where(table.c.id != "b").values(found="matched"))
    return any_db


def test_what_is_found_is_answered_once(db: Database, settings: Settings) -> None:
    assert answer(db, OPS, "12321", settings, NOW + DAY_MS) == 1  # b still waits
    assert answer(db, OPS, "12321", settings, NOW + DAY_MS + 1) == 0
    with db.write() as c:
        c.execute(schema.complaints.update().where(schema.complaints.c.id == "b").values(found="doubtful"))
        c.execute(schema.ports.update().values(state="suspended"))
    assert answer(db, OPS, "12321", settings, NOW + 2 * DAY_MS) == 1
    assert [row.number for row in answered(db, OPS, "12321", settings)] == [1, 1]
    entries = [row for row in rows(db, schema.audit) if row.action == "answer"]
    assert [(row.actor, row.subject, row.after) for row in entries] == [
        ("ops", "complaints/12321", {"answered": 1})
    ] * 2
    data = answer_file(db, OPS, "12321", settings, NOW + 2 * DAY_MS)
    (row,) = csv.DictReader(io.StringIO(data.decode("gbk")))
    assert row == {
        "举报编号": "'=b",  # a spreadsheet would compute it
        "被举报号码": PORT + "1",
        "核查结果": "存疑",
        "处理措施": "端口已暂停",
        "反馈时间": "2025-11-27 11:30:00",
    }
    assert answer_file(db, OPS, "12321", settings, NOW + 2 * DAY_MS) == data


def test_the_list_shows_by_filter_and_masks(db: Database, settings: Settings) -> None:
    assert counts(db, OPS, Filters(), NOW) == {"waiting": 1, "matched": 2, "doubtful": 0, "unmatched": 0}
    [first] = complaints(db, OPS, Filters(source="12321", found="matched"), NOW)
    assert (first.number, first.sender, first.content, first.blocked) == (
        "138****8000",
        PORT + "1",
        "电 *********** *",
        True,
    )
    assert [c.id for c in complaints(db, OPS, Filters(), NOW, 2, 1)] == ["b", "a"]
    assert complaints(db, OPS, Filters(answer="overdue"), NOW) == []
    late = [c.id for c in complaints(db, OPS, Filters(answer="overdue"), NOW + 10 * DAY_MS)]
    assert late == ["c"]  # a hotline is answered within 5 working days
    answer(db, OPS, "hotline", settings, NOW)
    assert [c.id for c in complaints(db, OPS, Filters(answer="given"), NOW)] == ["c"]
    assert counts(db, OPS, Filters(answer="open", port=PORT), NOW)["matched"] == 1
    assert complaints(db, OPS, Filters(since=NOW + 1), NOW) == []
    assert complaints(db, OPS, Filters(port="%"), NOW) == []


def test_an_unknown_source_is_refused(db: Database, settings: Settings) -> None:
    with pytest.raises(AntispamError, match="unknown source 'x'; one of 12321, 7726, hotline, mo"):
        answer(db, OPS, "x", settings, NOW)
