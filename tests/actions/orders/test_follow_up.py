"""A decision about a number reaches BOSS or its network, and answers have their consequences, each once."""

from __future__ import annotations

import pytest

from pipeline.actions.conduct.notices import project_list_actions
from pipeline.actions.orders.follow_up import answered, own, report
from pipeline.actions.orders.order import Answer, OrderDeed
from pipeline.actions.orders.order_rows import find
from pipeline.actions.orders.white_list import put_in_force
from pipeline.durations import DAY_MS
from pipeline.events import ListAction, encode
from pipeline.store import audit
from pipeline.store.database import Database
from tests.actions.orders.world import NOTICE_PORT, NOW, OURS, THEIRS, listed, notices, orders, parties, sent


def action(number: str, **fields: str) -> bytes:
    given = {"rule": "sender-volume", "evidence": "r1", "reason": "5 分钟内已发 51 条", "sample": "加微信 ****"}
    values = {"sender_volume_5m": 51}
    return encode(ListAction(list="black", entity="sender", value=number, at=NOW, values=values, **given | fields))


def answer(db: Database, ident: int, deed: OrderDeed, word: Answer, using: object = None) -> bool:
    with db.write() as c:
        row = find(c, ident)
        assert row is not None
        return answered(c, NOW, using or parties(), row, deed, word, "")  # type: ignore[arg-type]


def test_a_decision_is_reported_to_boss_or_to_the_network_of_the_number_once(any_db: Database) -> None:
    with any_db.write() as c:
        for _ in range(2):
            project_list_actions(c, NOW, [action(OURS), action(THEIRS, evidence="r2")], parties())
    assert orders(any_db) == [("suspect", "boss", "open"), ("alert", "China Unicom", "open")]
    with any_db.read() as c:
        row = find(c, 1)
    assert row is not None
    assert (row.rule, row.reason, row.values) == ("sender-volume", "5 分钟内已发 51 条", {"sender_volume_5m": 51})
    assert row.sample == ""  # nothing was agreed


@pytest.mark.parametrize("number", ["13300133000", "0085212345678", "10690001"])
def test_a_number_of_a_network_without_an_exchange_is_reported_to_nobody(operational_db: Database, number: str) -> None:
    with operational_db.write() as c:
        assert project_list_actions(c, NOW, [action(number)], parties()) == 0
        assert project_list_actions(c, NOW, [action(OURS, evidence="r2")]) == 0
    assert orders(operational_db) == []
    assert len(listed(operational_db, "black")) == 2


def test_a_sample_goes_out_where_that_was_agreed(operational_db: Database) -> None:
    with operational_db.write() as c:
        project_list_actions(c, NOW, [action(THEIRS)], parties("China Unicom", samples=True))
        assert find(c, 1).sample == "加微信 ****"  # type: ignore[union-attr]


def test_a_number_on_the_white_list_of_boss_is_not_reported(any_db: Database) -> None:
    with any_db.write() as c:
        put_in_force(c, NOW, "boss", [OURS, "13800138009"])
        assert report(c, NOW, parties(), OURS, audit.PIPELINE) is None
        assert report(c, NOW, parties(), "13800138001", audit.PIPELINE) == 1
    assert orders(any_db) == [("suspect", "boss", "open")]


def test_the_whole_loop_stops_a_number_restores_it_and_watches_it(any_db: Database) -> None:
    with any_db.write() as c:
        project_list_actions(c, NOW, [action(OURS)], parties())
        sent(c, 1)
    assert answer(any_db, 1, OrderDeed.CONFIRM, Answer.ADD)
    assert not answer(any_db, 1, OrderDeed.CONFIRM, Answer.ADD)
    assert orders(any_db) == [("suspect", "boss", "confirmed"), ("off", "hlr", "open")]
    with any_db.write() as c:
        sent(c, 2)
    assert answer(any_db, 2, OrderDeed.CONFIRM, Answer.DONE)
    assert not answer(any_db, 2, OrderDeed.CONFIRM, Answer.DONE)
    [(port, body)] = notices(any_db)
    assert port == NOTICE_PORT
    assert "原因：5 分钟内已发 51 条" in body.decode()
    assert OURS in body.decode()
    with any_db.write() as c:
        assert own(c, NOW, parties(), OURS, Answer.REMOVE, "承诺书")
        assert not own(c, NOW, parties(), OURS, Answer.REMOVE, "承诺书")
    assert listed(any_db, "black") == []
    assert listed(any_db, "watched") == [(OURS, NOW + 30 * DAY_MS)]
    assert orders(any_db)[2:] == [("clear", "boss", "confirmed"), ("on", "hlr", "open")]


def test_a_suspect_that_boss_does_not_confirm_leaves_the_black_list(any_db: Database) -> None:
    with any_db.write() as c:
        project_list_actions(c, NOW, [action(OURS)], parties())
        sent(c, 1)
    assert answer(any_db, 1, OrderDeed.REFUSE, Answer.REMOVE)
    assert orders(any_db) == [("suspect", "boss", "refused")]
    assert listed(any_db, "black") == []


def test_restoring_withdraws_a_stop_that_has_no_answer_yet(any_db: Database) -> None:
    with any_db.write() as c:
        own(c, NOW, parties(), OURS, Answer.ADD, "公安")
        sent(c, 2)
        own(c, NOW + 1, parties(), OURS, Answer.REMOVE, "")
    # The HLR may have done it, so it is ordered to restore the number; the stop is not sent again.
    assert orders(any_db) == [
        ("suspect", "boss", "confirmed"),
        ("off", "hlr", "cancelled"),
        ("clear", "boss", "confirmed"),
        ("on", "hlr", "open"),
    ]


def test_a_stop_that_was_never_sent_needs_no_order_to_restore(any_db: Database) -> None:
    with any_db.write() as c:
        own(c, NOW, parties(), OURS, Answer.ADD, "")
        own(c, NOW + 1, parties(), OURS, Answer.REMOVE, "")
    assert [order for order in orders(any_db) if order[1] == "hlr"] == [("off", "hlr", "cancelled")]


def test_without_an_hlr_the_subscriber_is_told_at_the_answer_of_boss(operational_db: Database) -> None:
    using = parties("boss")
    with operational_db.write() as c:
        report(c, NOW, using, OURS, audit.PIPELINE, reason="群发")
        sent(c, 1)
    assert answer(operational_db, 1, OrderDeed.CONFIRM, Answer.ADD, using)
    assert orders(operational_db) == [("suspect", "boss", "confirmed")]
    assert len(notices(operational_db)) == 1
