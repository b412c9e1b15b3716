"""Orders go out in files whose bytes do not change, and come back when no answer comes."""

from __future__ import annotations

import json

from sqlalchemy import select

from pipeline.actions.orders.follow_up import report
from pipeline.actions.orders.order_files import (
    body,
    content,
    next_file,
    note_acknowledged,
    note_put,
    signature,
    time_out,
)
from pipeline.actions.orders.parties import Parties
from pipeline.order_exchange import OrderExchange
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from tests.actions.orders.world import NOW, OURS, THEIRS, orders, parties
from tests.harness.case_events import rows

ZONE = "Asia/Shanghai"


def exchange(of: Parties, party: str = "boss") -> OrderExchange:
    return of.exchanges[party]


def with_orders(db: Database, using: Parties, *numbers: str) -> None:
    with db.write() as c:
        for number in numbers:
            values = {"sender_volume_5m": 51, "score": 0.5, "port": True}
            report(c, NOW, using, number, audit.PIPELINE, rule="sender-volume", reason='已发, "51"\n条', values=values)


def test_a_file_that_was_begun_is_written_again_with_the_same_bytes(any_db: Database) -> None:
    using = parties(wait=10)
    with_orders(any_db, using, OURS, "13800138001")
    file = next_file(any_db, using, exchange(using), ZONE, NOW)
    assert file is not None
    assert file.name == "o-20251125113000-000001.csv"
    target = exchange(using).orders
    assert target is not None
    with any_db.read() as c:
        first = content(c, target, file, ZONE)
    assert first.decode() == f"order,number,action\n1,{OURS},suspect\n2,13800138001,suspect\n"
    with_orders(any_db, using, "13800138002")
    assert next_file(any_db, using, exchange(using), ZONE, NOW + 1) == file  # the process was killed
    with any_db.read() as c:
        assert content(c, target, file, ZONE) == first
    note_put(any_db, "boss", file, NOW + 2)
    other = next_file(any_db, using, exchange(using), ZONE, NOW + 3)
    assert other is not None
    assert other.ident == file.ident + 1
    note_put(any_db, "boss", other, NOW + 4)
    assert next_file(any_db, using, exchange(using), ZONE, NOW + 5) is None


def test_every_field_in_the_words_and_encoding_of_the_far_side(operational_db: Database) -> None:
    columns = {
        "kind": "动作",
        "number": "号码",
        "try": "次",
        "rule": "规则",
        "reason": "原因",
        "volume": "条数",
        "at": "时间",
    }
    target = {"name": "in", "url": "file:///far/o-*.csv", "columns": columns, "words": {"suspect": "A"}}
    using = parties("boss", orders=target | {"encoding": "gbk", "delimiter": ";"})
    with_orders(operational_db, using, OURS)
    file = next_file(operational_db, using, exchange(using), ZONE, NOW)
    assert file is not None
    with operational_db.read() as c:
        lines = content(c, exchange(using).orders, file, ZONE).decode("gbk").splitlines()  # type: ignore[arg-type]
    assert lines == [
        "动作;号码;次;规则;原因;条数;时间",
        f'A;{OURS};1;sender-volume;"已发, ""51"" 条";51;2025-11-25T11:30:00+08:00',
    ]


def test_without_answers_an_order_is_sent_so_often_as_agreed_and_then_people_hear_of_it(any_db: Database) -> None:
    using = parties("boss", wait=10, tries=2)
    with_orders(any_db, using, OURS)
    names = []
    for n in range(2):
        at = NOW + n * 20_000
        file = next_file(any_db, using, exchange(using), ZONE, at)
        assert file is not None
        names.append(file.name)
        if n == 0:
            note_put(any_db, "boss", file, at)  # the second file never reaches the far side
        assert time_out(any_db, using, "boss", at + 9_999) == 0
        assert time_out(any_db, using, "boss", at + 10_000) == 1
    assert len(set(names)) == 2
    assert orders(any_db) == [("suspect", "boss", "given_up")]
    assert [file.state for file in rows(any_db, schema.order_files)] == ["put", "abandoned"]
    assert next_file(any_db, using, exchange(using), ZONE, NOW + 99_999) is None
    with any_db.read() as c:
        told = [message for _, each in unpublished(c, 100) for message in each.messages if message.topic == "alerts"]
    assert [json.loads(message.value or b"")["rule"] for message in told] == ["orders-given-up"]


def test_a_post_that_another_network_takes_confirms_its_orders(any_db: Database) -> None:
    using = parties("China Unicom", orders=None, answers=None, webhook="https://other.example/alerts", samples=True)
    with any_db.write() as c:
        report(c, NOW, using, THEIRS, audit.PIPELINE, rule="r", reason="群发", values={"n": 60}, sample="加微信 ****")
    file = next_file(any_db, using, exchange(using, "China Unicom"), ZONE, NOW)
    assert file is not None
    with any_db.read() as c:
        posted = json.loads(body(c, file, ZONE))
    assert posted["id"] == file.name
    [told] = posted["orders"]
    assert (told["number"], told["volume"], told["sample"]) == (THEIRS, 60, "加微信 ****")
    assert told["at"] == "2025-11-25T11:30:00+08:00"
    assert note_acknowledged(any_db, using, file, NOW) == 1
    assert note_acknowledged(any_db, using, file, NOW) == 0
    assert orders(any_db) == [("alert", "China Unicom", "confirmed")]


def test_the_signature_of_a_post_is_that_of_callbacks() -> None:
    import hashlib
    import hmac

    expected = hmac.new(b"key", b"5.{}", hashlib.sha256).hexdigest()
    assert signature("key", 5, b"{}") == f"t=5,v1={expected}"


def test_a_file_holds_a_bounded_number_of_orders(operational_db: Database, monkeypatch: object) -> None:
    using = parties("boss")
    monkeypatch.setattr("pipeline.actions.orders.order_files.BATCH", 2)  # type: ignore[attr-defined]
    with_orders(operational_db, using, *(f"1380013800{n}" for n in range(5)))
    sizes = []
    while file := next_file(operational_db, using, exchange(using), ZONE, NOW):
        note_put(operational_db, "boss", file, NOW)
        with operational_db.read() as c:
            sizes.append(
                len(c.execute(select(schema.number_orders).where(schema.number_orders.c.file == file.ident)).all())
            )
    assert sizes == [2, 2, 1]
