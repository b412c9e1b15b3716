"""A subscriber's message is stored once and joined, screened, and brought to its port or stopped; wishes are obeyed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline import topics
from pipeline.actions.replies import bringing, incoming
from pipeline.actions.replies.incoming import Incoming
from pipeline.actions.replies.screening import project_verdicts
from pipeline.actions.replies.stopped import bring_stopped, stopped
from pipeline.actions.replies.words import Words
from pipeline.actions.status.link_deliveries import Reply, Wish, lease
from pipeline.decision.configuration import default_policy, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.errors import AntispamError
from pipeline.events import Kind, Submission, Tier, Verdict
from pipeline.protocols.sms.alphabet import Alphabet, of_chinese_coding
from pipeline.protocols.sms.short_message import ShortMessage, short_message
from pipeline.protocols.sms.text import parts, text_of
from pipeline.rules.consents import Consent, ConsentKind
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from pipeline.store import outbox, schema
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import consents
from tests.harness.case_events import add_port

NOW = 1_700_000_000_000
PORT = "10690001"
WISH = Wish("900001", PORT, "cmpp", 100)
WORDS = Words.of(Settings(_env_file=None))
ADMIN = User("test", Role.ADMINISTRATOR)
LONG = "我想问一下这个活动什么时候开始😀" * 10


@pytest.fixture
def db(any_db: Database) -> Database:
    with any_db.write() as connection:
        add_port(connection, PORT)
    return any_db


def published(db: Database, topic: topics.Topic) -> list[Any]:
    """What the outbox has for this topic."""
    with db.read() as connection:
        found = [one for _, each in outbox.unpublished(connection, 1000) for one in each.messages]
    assert topic.value is not None
    return [msgspec.json.decode(one.value or b"", type=topic.value) for one in found if one.topic == topic.name]


def confirmations(db: Database) -> list[Submission]:
    """What waits to be submitted for subscribers."""
    with db.read() as connection:
        holds = schema.holds
        rows = connection.execute(select(holds).where(holds.c.due_at <= NOW).order_by(holds.c.submission))
        return [msgspec.json.decode(row.body, type=Submission) for row in rows]


def decide(db: Database, verdict: str = "release", rule: str | None = None) -> None:
    """The projector reads the decisions on all that is published to be screened."""
    reasons = [{"rule": rule}] if rule else []
    decisions = [
        msgspec.json.encode({"id": record.id, "verdict": verdict, "reasons": reasons})
        for record in published(db, topics.RECORDS)
    ]
    with db.write() as connection:
        project_verdicts(connection, NOW, decisions)


def take(db: Database, found: list[Incoming], now: int, verdict: str = "release") -> None:
    incoming.take(db, found, WORDS, now)
    decide(db, verdict, "reply-spam" if verdict != "release" else None)


def whole(db: Database) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(select(schema.whole_replies).order_by(schema.whole_replies.c.id)))


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


def test_it_is_screened_as_a_message_of_the_subscriber_before_its_port_gets_it(db: Database) -> None:
    incoming.take(db, [reply("您好")], WORDS, NOW)
    assert at_the_port(db) == ""
    (record,) = published(db, topics.RECORDS)
    assert (record.kind, record.sender, record.recipient, record.content) == ("MO", "13800000001", PORT + "05", "您好")
    decide(db)
    decide(db)  # a decision that is projected twice
    assert at_the_port(db) == "您好"
    assert [(row.state, row.verdict, row.rule) for row in whole(db)] == [("brought", "release", None)]


@pytest.mark.parametrize("verdict", ["reject", "blacklist", "review"])
def test_a_stopped_message_goes_no_further_and_is_kept(db: Database, verdict: str) -> None:
    take(db, [reply("低息贷款")], NOW, verdict)
    assert at_the_port(db) == ""
    (row,) = whole(db)
    assert (row.state, row.verdict, row.rule, row.content) == ("stopped", verdict, "reply-spam", "低息贷款")


def test_a_stopped_message_is_brought_by_a_person_once(db: Database) -> None:
    take(db, [reply("低息贷款")], NOW, "reject")
    (one,) = stopped(db, ADMIN)
    assert (one.port, one.subscriber, one.rule) == (PORT, "138****0001", "reply-spam")
    bring_stopped(db, ADMIN, one.id, "a question", NOW)
    assert at_the_port(db) == "低息贷款"
    assert stopped(db, ADMIN) == []
    with pytest.raises(AntispamError, match="no stopped message"):
        bring_stopped(db, ADMIN, one.id, "again", NOW)


def test_a_word_to_unsubscribe_is_obeyed_although_the_message_is_stopped(db: Database) -> None:
    take(db, [reply("退订")], NOW, "reject")
    assert listed(db) == [f"{PORT}:13800000001"]
    assert at_the_port(db) == ""


def test_who_unsubscribes_gets_one_confirmation_with_the_signature_of_the_port(db: Database) -> None:
    with db.write() as connection:
        connection.execute(schema.signatures.insert().values(port=PORT, signature="示例", place=0))
    take(db, [reply("退订")], NOW)
    take(db, [reply("退订", ident="2")], NOW)
    (told,) = confirmations(db)
    assert (told.port, told.recipients, told.confirms) == (PORT, ("13800000001",), True)
    assert told.content.startswith("【示例】您已成功退订")


def test_without_a_signature_or_a_text_the_confirmation_has_none(db: Database) -> None:
    take(db, [reply("退订")], NOW)
    (told,) = confirmations(db)
    assert told.content.startswith("您已成功退订")
    silent = Words.of(Settings(_env_file=None, resubscribe_confirmation=""))
    incoming.take(db, [reply("恢复订阅", ident="2")], silent, NOW)
    assert len(confirmations(db)) == 1
    assert listed(db) == []


def test_who_subscribes_again_is_taken_off_the_list_and_told(db: Database) -> None:
    take(db, [reply("恢复订阅", ident="0")], NOW)  # who was not unsubscribed is told nothing
    assert confirmations(db) == []
    take(db, [reply("退订"), reply("恢复订阅", ident="2")], NOW)
    assert listed(db) == []
    assert [told.content[:6] for told in confirmations(db)] == ["您已成功退订", "您已成功恢复"]
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.consents)) == 0


def test_who_subscribes_again_consents_where_consents_are_kept(db: Database) -> None:
    with db.write() as connection:
        given = Consent(f"port/{PORT}", "13900000001", ConsentKind.CONSENT, "form", NOW - 1)
        consents.put(connection, NOW, "test", [given])
    take(db, [reply("退订"), reply("恢复订阅", ident="2")], NOW)
    with db.read() as connection:
        found = connection.execute(select(schema.consents).where(schema.consents.c.number == "13800000001")).one()
    assert (found.scope, found.kind, found.source) == (f"port/{PORT}", "request", "reply/2")


def test_what_is_not_text_is_kept_and_goes_no_further(db: Database) -> None:
    picture = ShortMessage(alphabet=Alphabet.BINARY, content=b"\1\2")
    take(db, [reply(message=picture)], NOW)
    assert published(db, topics.RECORDS) == []
    assert [(row.state, row.content) for row in whole(db)] == [("not_text", None)]


def test_a_port_fetches_its_messages_until_it_says_that_it_has_them(db: Database) -> None:
    for n in range(3):
        take(db, [reply(f"第{n}条", ident=str(n))], NOW)
    take(db, [reply("低息贷款", ident="9")], NOW, "reject")
    with db.write() as connection:
        first = bringing.waiting(connection, PORT)
        assert [one.content for one in first] == ["第0条", "第1条", "第2条"]
        assert bringing.take(connection, "10690002", [first[0].id], NOW) == 0
        assert bringing.take(connection, PORT, [first[1].id, first[1].id, "zz"], NOW) == 1
        assert [one.content for one in bringing.waiting(connection, PORT)] == ["第0条", "第2条"]


def complaints(db: Database) -> list[Any]:
    with db.read() as connection:
        rows = connection.execute(select(schema.complaints).order_by(schema.complaints.c.id))
        return [(row.source, row.port, row.recipient, row.content) for row in rows]


def test_a_complaint_to_its_port_counts_and_reaches_it_although_it_quotes(db: Database) -> None:
    take(db, [reply("投诉：天天发广告")], NOW)
    assert complaints(db) == [("mo", PORT, "13800000001", "投诉：天天发广告")]
    assert listed(db) == [f"{PORT}:13800000001"]
    assert at_the_port(db) == "投诉：天天发广告"


def test_a_message_to_a_complaint_code_is_a_complaint_and_is_not_screened(db: Database) -> None:
    take(db, [reply(f"{PORT}*低息贷款加微信", to="10086999")], NOW)
    assert complaints(db) == [("mo", PORT, "13800000001", "低息贷款加微信")]
    assert published(db, topics.RECORDS) == []
    assert [(row.state, row.wish) for row in whole(db)] == [("complaint", "complain")]


def test_a_message_to_a_complaint_code_without_a_number_is_kept_and_screened(db: Database) -> None:
    take(db, [reply("你们的短信太多了", to="10086999")], NOW)
    assert complaints(db) == []
    assert [(row.state, row.content) for row in whole(db)] == [("no_port", "你们的短信太多了")]


def test_a_number_that_nobody_has_cannot_complain_but_writes(db: Database) -> None:
    take(db, [reply("投诉", subscriber="x")], NOW)
    assert complaints(db) == []
    assert [row.state for row in whole(db)] == ["brought"]


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("kind", [Kind.COMMERCIAL, Kind.NOTICE])
@pytest.mark.parametrize("signatures", [(), ("鹿角奶茶",)])
def test_the_shipped_confirmations_pass_the_shipped_policy(tier: Tier, kind: Kind, signatures: tuple[str, ...]) -> None:
    port = Port(PortEntry(code=PORT, tier=tier, kind=kind, signatures=signatures))
    config = replace(load_directory(None), epoch=1, policy=parse_policy(default_policy()), ports=Ports([port]))
    head = f"【{signatures[0]}】" if signatures else ""
    for text in (WORDS.unsubscribed, WORDS.resubscribed):
        sent = Submission(
            id="c",
            port=PORT,
            recipients=("13800000001",),
            content=text.replace("【{signature}】", head),
            accepted_at=NOW,
            round=1,  # it comes from a hold
            confirms=True,
        )
        (outcome,) = screen([sent], MemoryCounters(), config, NOW)
        assert isinstance(outcome, Screened)
        assert outcome.decision.verdict is Verdict.RELEASE, outcome.decision.reasons
