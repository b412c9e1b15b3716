"""A person settles what a doubtful complaint is about; figures and the block of the number follow. Both databases."""

from __future__ import annotations

import pytest

from pipeline.actions.alerts.measures import MEASURES
from pipeline.actions.complaints import complaint_list
from pipeline.actions.complaints.complaint_list import Filters
from pipeline.actions.complaints.intake import take
from pipeline.actions.complaints.matching import MOST, Candidate, Found, likeliest
from pipeline.actions.complaints.rates import rates
from pipeline.actions.complaints.settling import keep_candidates, possible, settle
from pipeline.actions.conduct.complaint_limits import SUSPEND
from pipeline.errors import AntispamError
from pipeline.events import Complaint
from pipeline.file_exchange import COMPLAINT_SHAPES
from pipeline.rules.clock.months import month_of
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry.port_history import port_history
from tests.harness.case_events import NOW, PORT, add_port, rows

OPERATOR = User("ops", Role.OPERATOR)
TEXT = "【惠民易贷】您的30万额度已审批，回T退订"
SENT = Candidate("s1", "13800138000", TEXT, NOW - 2000, True, "c00000000000000aa")
OTHER = Candidate("s2", "13811118000", TEXT, NOW - 1000, True)
HELD = Candidate("s3", "13800138000", "【示例】今日到货", NOW, False)


def doubtful(db: Database) -> None:
    """A complaint whose number hides digits, about one of three messages."""
    complaint = Complaint(id="c1", port=PORT, recipient="138****8000", complained_at=NOW, content=TEXT)
    with db.write() as connection:
        add_port(connection)
        take(connection, NOW, [complaint], COMPLAINT_SHAPES)
        connection.execute(schema.complaints.update().values(found="doubtful", doubt="hidden_number", message="s2"))
    (row,) = rows(db, schema.complaints)
    with db.write() as connection:
        keep_candidates(connection, row, likeliest(row.content, [HELD, SENT, OTHER]))


def found(db: Database) -> tuple[str, str, str, str | None]:
    (row,) = rows(db, schema.complaints)
    return row.found, row.doubt, row.message, row.settled_by


def of_the_page(db: Database) -> int:
    return port_history(db, OPERATOR, PORT, NOW).complaints


def of_the_alert(db: Database) -> dict[str, float]:
    read = MEASURES["much-complained"].of_database
    assert read is not None
    with db.read() as connection:
        return read(connection, NOW, NOW + 1)


def test_the_candidates_are_shown_the_likeliest_first_and_masked(any_db: Database) -> None:
    doubtful(any_db)
    shown = possible(any_db, OPERATOR, "c1", PORT)
    assert [(each.message, each.sent, round(each.likeness, 1)) for each in shown] == [
        ("s2", True, 1.0), ("s1", True, 1.0), ("s3", False, 0.0),
    ]  # fmt: skip
    assert all("*" in each.recipient and "13800138000" not in each.content for each in shown)


def test_the_chosen_message_is_its_match_and_its_number_is_blocked(any_db: Database) -> None:
    doubtful(any_db)
    settle(any_db, OPERATOR, "c1", PORT, 2, NOW + 1)
    assert found(any_db) == ("matched", "", "s1", "ops")
    (entry,) = rows(any_db, schema.list_entries)
    assert (entry.list, entry.value) == ("unsubscribed", f"{PORT}:13800138000")
    counted = complaint_list.counts(any_db, OPERATOR, Filters(), NOW)
    assert (counted[Found.MATCHED], counted[Found.DOUBTFUL]) == (1, 0)
    (deed,) = [row for row in rows(any_db, schema.audit) if row.action == "settle"]
    assert (deed.actor, deed.before["found"], deed.after) == ("ops", "doubtful", {"found": "matched", "message": "s1"})
    with any_db.read() as connection:
        assert audit.first_broken(connection) is None


def test_none_of_them_is_an_answer_that_may_be_changed_until_it_is_given(any_db: Database) -> None:
    doubtful(any_db)
    settle(any_db, OPERATOR, "c1", PORT, None, NOW + 1)
    assert found(any_db) == ("unmatched", "no_message", "", "ops")
    assert rows(any_db, schema.list_entries) == []
    settle(any_db, OPERATOR, "c1", PORT, 1, NOW + 2)
    assert found(any_db) == ("matched", "", "s2", "ops")
    with any_db.write() as connection:
        connection.execute(schema.complaints.update().values(answered_at=NOW))
    with pytest.raises(AntispamError, match="answered already"):
        settle(any_db, OPERATOR, "c1", PORT, None, NOW + 3)


def test_a_corrected_choice_blocks_the_number_of_the_other_message_too(any_db: Database) -> None:
    doubtful(any_db)
    settle(any_db, OPERATOR, "c1", PORT, 2, NOW + 1)
    settle(any_db, OPERATOR, "c1", PORT, 1, NOW + 2)
    blocked = [row.value for row in rows(any_db, schema.list_entries)]
    assert sorted(blocked) == [f"{PORT}:13800138000", f"{PORT}:13811118000"]


def test_a_complaint_about_none_of_a_ports_messages_counts_no_longer(any_db: Database) -> None:
    doubtful(any_db)
    month = month_of(NOW, "UTC")
    assert [rate.total for rate in rates(any_db, OPERATOR, "port", month, "UTC")] == [1]
    assert (of_the_page(any_db), of_the_alert(any_db)) == (1, {PORT: 1.0})
    settle(any_db, OPERATOR, "c1", PORT, None, NOW + 1)
    assert rates(any_db, OPERATOR, "port", month, "UTC") == []
    assert (of_the_page(any_db), of_the_alert(any_db)) == (0, {})
    others = [
        Complaint(id=f"d{n}", port=PORT, recipient=f"138000000{n:02}", complained_at=NOW) for n in range(SUSPEND + 1)
    ]
    with any_db.write() as connection:
        take(connection, NOW, others[:SUSPEND], COMPLAINT_SHAPES)
    assert [row.state for row in rows(any_db, schema.ports)] == ["open"]
    with any_db.write() as connection:
        take(connection, NOW, others[SUSPEND:], COMPLAINT_SHAPES)
    assert [row.state for row in rows(any_db, schema.ports)] == ["suspended"]


def test_only_a_doubtful_complaint_and_its_own_candidates_can_be_chosen(any_db: Database) -> None:
    doubtful(any_db)
    with pytest.raises(AntispamError, match="may not be about"):
        settle(any_db, OPERATOR, "c1", PORT, 4, NOW)
    with pytest.raises(AntispamError, match="no such complaint"):
        settle(any_db, OPERATOR, "c2", PORT, 1, NOW)
    with any_db.write() as connection:
        connection.execute(schema.complaints.update().values(found="matched"))
    with pytest.raises(AntispamError, match="not doubtful"):
        settle(any_db, OPERATOR, "c1", PORT, 1, NOW)


def test_a_person_chooses_from_a_bounded_number() -> None:
    many = [Candidate(f"s{n}", "1", TEXT, n, True) for n in range(100)]
    assert [each.message for each in likeliest(TEXT, many)][:2] == ["s99", "s98"]
    assert len(likeliest(TEXT, many)) == MOST
