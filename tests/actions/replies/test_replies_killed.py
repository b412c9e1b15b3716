"""The process that takes subscribers' messages is killed: each is stored once, and each word obeyed once."""

from __future__ import annotations

from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline import topics
from pipeline.events import Record, decoder
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.sms.text import TextPart, parts
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.store import outbox, schema
from pipeline.store.database import Database
from tests.harness.processes.workers import start
from tests.harness.servers.carrier import PORT, sender_deployment, served, until
from tests.harness.servers.scripted_gateway import GatewayLink, ScriptedGateway

MESSAGES, KILLS, WINDOW = 600, 3, 32
LONG = "我想问一下这个活动什么时候开始，在哪里报名，需要带什么，有没有停车的地方。" * 3
pytestmark = pytest.mark.slow


def subscriber(n: int) -> str:
    return f"138{n:08d}"


def text(n: int) -> str:
    return "退订" if n % 3 == 0 else f"{LONG}{n}" if n % 5 == 0 else f"您好{n}"


class MoGateway(ScriptedGateway):
    """A carrier with messages of subscribers. It sends again what was not acknowledged when the link was lost."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        cut: list[tuple[int, TextPart]] = [(n, part) for n in range(MESSAGES) for part in parts(text(n), n % 256)]
        self.messages = dict(enumerate(cut, 1))
        self.untaken = deque(self.messages)
        self.flying: dict[int, int] = {}  # sequence number -> message
        self.taken: Counter[int] = Counter()
        self.sent = 0

    def _take(self, link: GatewayLink, pdu: Any) -> None:
        super()._take(link, pdu)
        if isinstance(pdu, cmpp.Connect):  # what flew on the old link may be stored or not
            self.untaken.extendleft(sorted(self.flying.values(), reverse=True))
            self.flying.clear()
        elif isinstance(pdu, cmpp.DeliverResp):
            ident = self.flying.pop(pdu.sequence)
            assert pdu.result == 0
            self.taken[ident] += 1
        self._more(link)

    def _more(self, link: GatewayLink) -> None:
        while self.untaken and len(self.flying) < WINDOW:
            ident = self.untaken.popleft()
            n, part = self.messages[ident]
            self.sent += 1
            self.flying[self.sent] = ident
            deliver = cmpp.Deliver(
                sequence=self.sent,
                msg_id=ident,
                dest_id=PORT,
                udhi=int(part.headed),
                msg_fmt=part.coding,
                src_terminal_id=subscriber(n),
                registered_delivery=0,
                content=part.content,
            )
            link.write(CMPP3.encode(deliver))


def records(db: Database) -> list[Record]:
    """What waits for the relay, to be screened and brought to the port."""
    decode = decoder(Record)
    with db.read() as connection:
        found = [one for _, each in outbox.unpublished(connection, 10_000) for one in each.messages]
    return [decode(one.value or b"") for one in found if one.topic == topics.RECORDS.name]


def test_messages_of_subscribers_are_stored_once_and_their_words_obeyed_once(
    fresh_kafka: KafkaNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(MoGateway()) as gateway:
        settings, db = sender_deployment(fresh_kafka.bootstrap, tmp_path, gateway.port, monkeypatch)
        child = start(settings, "sender-0", "serve", "sender")
        try:
            for kill in range(1, KILLS + 1):
                until(lambda k=kill: len(gateway.taken) > k * len(gateway.messages) // (KILLS + 1))  # type: ignore[misc]
                child.kill()
                child = start(settings, f"sender-{kill}", "serve", "sender")
            until(lambda: len(gateway.taken) == len(gateway.messages))
        finally:
            child.stop(20)
        with db.read() as connection:
            whole = connection.execute(select(schema.whole_replies.c.subscriber, schema.whole_replies.c.content)).all()
            stored = connection.execute(select(schema.replies.c.carrier_id)).all()
            listed = connection.scalars(
                select(schema.list_entries.c.value).where(schema.list_entries.c.list == "unsubscribed")
            ).all()
            told = connection.execute(select(schema.holds.c.submission)).all()
        brought = records(db)
        db.close()
    again = gateway.sent - len(gateway.messages)
    print(f"{len(gateway.messages)} parts of {MESSAGES} messages, {KILLS} kills: {again} sent again by the carrier")
    assert 0 < again <= KILLS * WINDOW
    assert len(stored) == len(gateway.messages)
    assert sorted(tuple(row) for row in whole) == sorted((subscriber(n), text(n)) for n in range(MESSAGES))
    unsubscribed = [n for n in range(MESSAGES) if n % 3 == 0]
    assert sorted(listed) == [f"{PORT}:{subscriber(n)}" for n in unsubscribed]
    assert len(told) == len(set(told)) == len(unsubscribed)  # a confirmation each
    assert len({record.id for record in brought}) == len(brought) == MESSAGES
