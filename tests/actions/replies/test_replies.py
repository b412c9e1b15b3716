"""A subscriber's message is stored once, joined, brought to its port, and a word to unsubscribe is obeyed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline.actions.replies.incoming import Incoming, take
from pipeline.actions.replies.routing import unsubscribes
from pipeline.actions.status.link_deliveries import Reply, Wish, lease
from pipeline.protocols.sms.alphabet import Alphabet, of_chinese_coding
from pipeline.protocols.sms.short_message import ShortMessage, short_message
from pipeline.protocols.sms.text import parts, text_of
from pipeline.store import schema
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.case_events import add_port

NOW = 1_700_000_000_000
PORT = "10690001"
WISH = Wish("900001", PORT, "cmpp", 100)
LONG = "我想问一下这个活动什么时候开始😀" * 10


@pytest.fixture
def db(any_db: Database) -> Database:
    with any_db.write() as connection:
        add_port(connection, PORT)
    return any_db


def reply(text: str = "您好", ident: str = "1", to: str = PORT + "05", **fields: Any) -> Incoming:
    message = ShortMessage(alphabet=Alphabet.UTF_16, content=text.encode("utf-16-be"))
    values: dict[str, Any] = {"channel": "default", "carrier_id": ident, "subscriber": "13800000001", "to": to}
    return Incoming(**(values | {"message": message} | fields))


def parts_of(text: str, reference: int = 7) -> list[Incoming]:
    return [
        reply(ident=f"{reference}.{p.number}", message=short_message(p.content, of_chinese_coding(p.coding), p.headed))
        for p in parts(text, reference)
    ]


def at_the_port(db: Database, wish: Wish = WISH) -> str:
    """The text that the port's links get, and its sender."""
    with db.write() as connection:
        found = [one.content for one in lease(connection, [wish], NOW + 10**9)[wish]]
    replies = [one for one in found if isinstance(one, Reply)]
    assert {(one.to, one.subscriber) for one in replies} <= {(PORT + "05", "13800000001")}
    return "".join(text_of(one.coding, one.content, one.headed) or "" for one in replies)


def listed(db: Database) -> list[str]:
    with db.read() as connection:
        rows = schema.list_entries
        return list(connection.scalars(select(rows.c.value).where(rows.c.list == "unsubscribed")))


def test_a_message_is_brought_to_the_port_once_although_the_carrier_repeats_it(db: Database) -> None:
    for _ in range(2):
        take(db, [reply()], NOW)
    assert at_the_port(db) == "您好"
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.replies)) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_long_message_is_joined_in_any_order(db: Database, order: tuple[int, ...]) -> None:
    sent = parts_of(LONG)
    assert len(sent) == len(order)
    for place in order[:-1]:
        take(db, [sent[place]], NOW)
        assert at_the_port(db) == ""
    take(db, [sent[order[-1]]], NOW)
    assert at_the_port(db) == LONG


def test_a_part_that_does_not_come_is_waited_for_and_then_left_out(db: Database) -> None:
    take(db, parts_of(LONG)[:1], NOW)
    take(db, [], NOW + 59_999)
    assert at_the_port(db) == ""
    take(db, [], NOW + 60_000)
    assert LONG.startswith(at_the_port(db)[:50])
    with db.read() as connection:
        assert connection.scalar(select(schema.replies.c.port)) == PORT


def test_what_no_port_is_registered_for_is_kept(db: Database) -> None:
    take(db, [reply("您好", to="10699999")], NOW)
    assert at_the_port(db) == ""
    with db.read() as connection:
        row = connection.execute(select(schema.replies)).one()
    assert (row.port, row.octets.decode("utf-16-be"), row.routed_at) == (None, "您好", NOW)


def test_other_ports_do_not_get_it(db: Database) -> None:
    take(db, [reply()], NOW)
    assert at_the_port(db, Wish("900002", "10690002", "cmpp", 9)) == ""


def test_who_unsubscribes_is_listed_and_the_port_is_told(db: Database) -> None:
    take(db, [reply("退订")], NOW)
    assert listed(db) == [f"{PORT}:13800000001"]
    assert at_the_port(db) == "退订"


def test_a_repeated_word_does_not_bring_back_an_entry_that_was_removed(db: Database) -> None:
    take(db, [reply("退订")], NOW)
    with db.write() as connection:
        connection.execute(schema.list_entries.delete())
    take(db, [reply("退订")], NOW)
    assert listed(db) == []
    take(db, [reply("退订", ident="2")], NOW)
    assert listed(db) == [f"{PORT}:13800000001"]


def test_the_owner_of_the_port_gets_a_callback(db: Database) -> None:
    api_keys.create(db, User("test", Role.ADMINISTRATOR), PORT, "http://127.0.0.1:1/told", NOW)
    take(db, [reply("您好")], NOW)
    with db.read() as connection:
        body = msgspec.json.decode(connection.scalar(select(schema.callbacks.c.body)) or b"")
    assert (body["event"], body["port"], body["from"], body["content"]) == ("reply", PORT, "13800000001", "您好")


@pytest.mark.parametrize("text", ["退订", " 退 订！", "TD", "Ｔ", "td。", "stop", "【退订】", "拒收"])
def test_words_that_unsubscribe(text: str) -> None:
    assert unsubscribes(text, frozenset())


@pytest.mark.parametrize("text", ["", "我不想退订", "取消退订", "TDD", "谢谢", "T恤有货吗", "1"])
def test_words_that_do_not(text: str) -> None:
    assert not unsubscribes(text, frozenset())


def test_a_port_with_words_of_its_own_takes_these_and_the_plain_ones() -> None:
    assert unsubscribes("qx", frozenset(("QX",)))
    assert unsubscribes("退订", frozenset(("QX",)))
    assert not unsubscribes("N", frozenset(("QX",)))
