"""What people do about numbers; rights are tested in tests/store/test_every_service.py."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from pipeline.actions.orders import desk
from pipeline.actions.orders.follow_up import answered, own
from pipeline.actions.orders.order import Answer, OrderDeed
from pipeline.actions.orders.order_rows import find
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.actions.orders.world import NOW, OURS, THEIRS, listed, orders, parties, sent
from tests.harness.case_events import rows

OPERATOR = User("olga", Role.OPERATOR)


def test_a_person_reports_a_number_and_it_is_listed(any_db: Database) -> None:
    assert desk.stop_number(any_db, OPERATOR, parties(), "+86 138 0013 8000", "举报", NOW) == 1
    assert desk.stop_number(any_db, OPERATOR, parties(), THEIRS, "举报", NOW) == 2
    assert orders(any_db) == [("suspect", "boss", "open"), ("alert", "China Unicom", "open")]
    assert [value for value, _ in listed(any_db, "black")] == [THEIRS, OURS]
    assert [row.action for row in rows(any_db, schema.audit) if row.actor == "olga"] == ["list", "order.ask"] * 2


def test_a_number_is_restored_through_boss_after_an_undertaking(any_db: Database) -> None:
    with any_db.write() as c:
        own(c, NOW, parties(), OURS, Answer.ADD, "")
    ident = desk.restore_number(any_db, OPERATOR, parties(), OURS, "承诺书 2025-17", 60, NOW)
    assert ident is not None
    with pytest.raises(AntispamError, match="asked already"):
        desk.restore_number(any_db, OPERATOR, parties(), OURS, "承诺书", 60, NOW)
    assert listed(any_db, "watched") == []
    with any_db.write() as c:
        sent(c, ident)
        row = find(c, ident)
        assert row is not None
        answered(c, NOW, parties(), row, OrderDeed.CONFIRM, Answer.REMOVE, "")
    assert listed(any_db, "watched") == [(OURS, NOW + 60 * DAY_MS)]
    assert listed(any_db, "black") == []


def test_a_report_that_nobody_has_seen_is_withdrawn_and_the_number_restored_at_once(any_db: Database) -> None:
    desk.stop_number(any_db, OPERATOR, parties(), OURS, "举报", NOW)
    assert desk.restore_number(any_db, OPERATOR, parties(), OURS, "误报", 30, NOW) is None
    assert orders(any_db) == [("suspect", "boss", "cancelled")]
    assert listed(any_db, "watched") == [(OURS, NOW + 30 * DAY_MS)]


def test_what_is_not_stopped_cannot_be_restored(operational_db: Database) -> None:
    with pytest.raises(AntispamError, match="not stopped"):
        desk.restore_number(operational_db, OPERATOR, parties(), OURS, "承诺书", 30, NOW)
    with pytest.raises(AntispamError, match="a reason"):
        desk.restore_number(operational_db, OPERATOR, parties(), OURS, " ", 30, NOW)
    with pytest.raises(AntispamError, match="number"):
        desk.stop_number(operational_db, OPERATOR, parties(), "138", "举报", NOW)


def test_an_order_is_withdrawn_before_it_is_sent_and_sent_again_after_a_refusal(any_db: Database) -> None:
    for number in (OURS, "13800138001"):
        desk.stop_number(any_db, OPERATOR, parties(), number, "举报", NOW)
    desk.cancel(any_db, OPERATOR, parties(), 1, "误报", NOW)
    with any_db.write() as c:
        sent(c, 2)
    with pytest.raises(AntispamError, match="order 2 is sent"):
        desk.cancel(any_db, OPERATOR, parties(), 2, "x", NOW)
    with pytest.raises(AntispamError, match="order 2 is sent"):
        desk.retry(any_db, OPERATOR, parties(), 2, NOW)
    with any_db.write() as c:
        c.execute(update(schema.number_orders).where(schema.number_orders.c.id == 2).values(state="given_up"))
    desk.retry(any_db, OPERATOR, parties(), 2, NOW)
    assert [order[2] for order in orders(any_db)] == ["cancelled", "open"]


def test_orders_are_found_by_state_kind_party_and_number(operational_db: Database) -> None:
    for number in (OURS, "13800138001", THEIRS):
        desk.stop_number(operational_db, OPERATOR, parties(), number, "举报", NOW)
    desk.cancel(operational_db, OPERATOR, parties(), 1, "误报", NOW + 1)

    def found(**fields: object) -> list[int]:
        return [row.id for row in desk.orders(operational_db, OPERATOR, desk.Wanted(**fields))]  # type: ignore[arg-type]

    assert found() == [1, 3, 2]
    assert found(states=("open",), kinds=("suspect",)) == [2]
    assert found(party="China Unicom") == [3]
    assert found(number="+86 13800138001") == [2]
    assert found(number="0138") == []
    assert desk.counts(operational_db, OPERATOR, desk.Wanted(kinds=("suspect",), states=("open",))) == {
        "open": 1,
        "cancelled": 1,
    }
    assert [row.id for row in desk.history(operational_db, OPERATOR, OURS)] == [1]
