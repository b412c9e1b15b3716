"""A working day in simulated time, from 08:00 to 18:00: 300 ports, 4 reviewers, BOSS and HLR; all of it adds up.

The decision function, the projections, the timers, the releaser and the exchange are those of the processes; topics are
lists in memory. `ANTISPAM_TEST_DAY_MESSAGES` sets the scale (50,000 messages).
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline import topics
from pipeline.actions.consequences import consequences
from pipeline.actions.holds.timers import Timers
from pipeline.actions.orders.parties import load_parties
from pipeline.actions.review import claims
from pipeline.actions.review.releaser import Releaser
from pipeline.actions.routes import Routes, load_routes
from pipeline.decision.configuration import ConfigEntries, default_policy
from pipeline.decision.screening import Screened, screen
from pipeline.durations import DAY_MS, MINUTE_MS, SECOND_MS
from pipeline.errors import AntispamError
from pipeline.events import (
    Complaint,
    ConfigChange,
    Outbound,
    Priority,
    Record,
    RecordKind,
    Submission,
    Verdict,
    encode,
)
from pipeline.ingest.records.order_exchange import Exchange
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.ports import PortEntry
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.outbox import mark_published, unpublished
from pipeline.store.registry import registry
from pipeline.stream.projector import projections
from tests.harness.far_boss import BOSS_WORDS, HLR_WORDS, FarParty
from tests.harness.memory_producer import MemoryProducer
from tests.harness.migrated import migrated_database

START = int(datetime(2026, 3, 10, 8, 0, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)  # a Tuesday
MINUTES = 600
PORTS = 300
CHIEF = User("chief", Role.ADMINISTRATOR)
REVIEWERS = [User(f"reviewer-{n}", Role.REVIEWER if n < 3 else Role.SENIOR_REVIEWER) for n in range(4)]
CALM = ("您的订单{n}已发货，请留意查收。", "您预约的{n}号服务已确认。", "尊敬的用户，您的账单{n}已生成，请查收。")
BULK = ("本周末全场八折，欢迎光临，拒收请回复R", "新品上市，到店有礼，拒收请回复R", "会员日积分双倍，拒收请回复R")
PHISHING = "您的积分即将清零，请点击 http://t{n}.example.top/a 兑换现金，过期作废"


class Day:
    """The world of one day. `now` is epoch ms."""

    def __init__(self, folder: Path, messages: int) -> None:
        self.random = Random(11)
        self.now = START
        self.per_minute = messages / MINUTES
        self.due = 0.0  # messages that are to come; a large submission takes those of later minutes
        self.boss, self.hlr = FarParty(folder, "boss", BOSS_WORDS), FarParty(folder, "hlr", HLR_WORDS)
        self.settings = Settings.model_validate(
            {
                "kafka": "127.0.0.1:9",
                "data_dir": folder / "data",
                "order_exchanges": [self.boss.settings(wait=3600.0), self.hlr.settings(wait=3600.0)],
            }
        )
        self.db: Database = migrated_database(self.settings)
        self.entries = ConfigEntries()
        self.counters = MemoryCounters()
        self.routes: Routes = load_routes(self.settings)
        self.projected = {t.name: p for each in projections(self.settings).values() for t, p in each.items()}
        self.released: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.accepted: dict[tuple[str, str], int] = {}
        self.repeated = 0
        self.producer = MemoryProducer()
        clock = lambda: self.now / 1000  # noqa: E731
        producer = cast(Any, self.producer)
        self.timers = Timers(self.db, producer, lambda: self.entries.config, clock)
        self.releaser = Releaser(self.settings, self.db, producer, lambda: self.entries.config, clock)
        parties, stop = load_parties(self.settings), threading.Event()
        self.exchanges = [
            Exchange(each, parties, self.settings, self.db, stop, clock) for each in self.settings.order_exchanges
        ]
        self.free_at = dict.fromkeys((user.name for user in REVIEWERS), START + 30 * MINUTE_MS)
        self.decided = 0
        self.records = 0

    def open(self) -> None:
        """Register the ports and put the shipped policy in force."""
        registry.publish_configuration(self.db, CHIEF, "policy", "policy.yaml", default_policy(), START)
        for n in range(PORTS):
            tier = ("high", "ordinary", "trusted")[(n % 10 > 4) + (n % 10 > 8)]
            kind = "commercial" if n % 3 == 0 else "notice"
            given = {"code": code(n), "name": f"示例{n}", "tier": tier, "kind": kind, "signatures": [f"示例{n}"]}
            registry.save_port(self.db, CHIEF, msgspec.convert(given, PortEntry), START - 30 * DAY_MS)
        self.take_configuration()

    def take_configuration(self) -> None:
        """Do what the relay and the workers do with a publication."""
        while True:
            with self.db.write() as connection:
                found = unpublished(connection, 100)
                mark_published(connection, [ident for ident, _ in found], self.now)
            if not found:
                return
            for _, publication in found:
                for message in publication.messages:
                    if message.topic == topics.CONFIG.name:
                        change = msgspec.json.decode(message.value or b"", type=ConfigChange)
                        assert not self.entries.apply([change])

    def screen(self, events: list[Submission | Record]) -> None:
        """Decide events and carry out what follows."""
        written: dict[str, list[bytes]] = defaultdict(list)
        for event in events:
            if isinstance(event, Submission) and event.round == 0:
                written[topics.SUBMISSIONS_EXPRESS.name].append(encode(event))
                self.accepted[event.port, event.id] = len(event.recipients)
        for event, outcome in zip(events, screen(events, self.counters, self.entries.config, self.now), strict=True):
            assert isinstance(outcome, Screened)
            written[topics.DECISIONS.name].append(encode(outcome.decision))
            for topic, _, record in consequences(event, outcome, self.routes, str, b"s" * 32):
                written[topic].append(encode(record))
        self.deliver(written)

    def deliver(self, written: dict[str, list[bytes]]) -> None:
        """Bring records to their projections; outbound ones leave."""
        with self.db.write() as connection:
            for topic, project in self.projected.items():
                if written.get(topic):
                    assert project(connection, self.now, written[topic]) == 0
        for topic, values in written.items():
            if topic.startswith("outbound."):
                for value in values:
                    sent = msgspec.json.decode(value, type=Outbound)
                    left = self.released[sent.submission.port, sent.submission.id]
                    self.repeated += len(left & set(sent.recipients))
                    left |= set(sent.recipients)

    def roles(self) -> None:
        """Timers and releaser work until nothing is due; what they produce goes its way."""
        while self.timers.step() | self.releaser.step():
            sent, self.producer.sent = self.producer.sent, []
            written: dict[str, list[bytes]] = defaultdict(list)
            again: list[Submission | Record] = []
            for topic, _, value in sent:
                if topic.startswith("submissions."):
                    again.append(msgspec.json.decode(value, type=Submission))
                else:
                    written[topic].append(value)
            self.deliver(written)
            if again:
                self.screen(again)

    def review(self) -> None:
        """Each reviewer who is free decides cases of this minute, 6 to 25 s each."""
        for user in REVIEWERS:
            while self.free_at[user.name] <= self.now:
                case = next(iter(claims.claim(self.db, user, self.now, 1)), None)
                if case is None:
                    self.free_at[user.name] = self.now + 20 * SECOND_MS
                    break
                bad = "example.top" in case.content
                verdict = Verdict.REJECT if bad or self.random.random() < 0.08 else Verdict.RELEASE
                try:
                    claims.decide(self.db, user, case.id, verdict, "", self.now, case.last_member)
                    self.decided += 1
                except AntispamError:
                    claims.skip(self.db, user, case.id, self.now)
                self.free_at[user.name] += self.random.randint(6, 25) * SECOND_MS

    def traffic(self, minute: int) -> Iterator[Submission | Record]:
        """The events of a minute."""
        random, n = self.random, 0
        self.due += self.per_minute
        while self.due > 0:
            n += 1
            port, ident = random.randrange(PORTS), f"{minute}-{n}"
            bulk = random.random() < 0.02
            size = random.randint(60, 200) if bulk else 1
            text = random.choice(BULK if bulk else CALM).format(n=random.randint(1, 9))
            if random.random() < 0.01:
                text = PHISHING.format(n=random.randint(1, 40))
            numbers = {f"13{random.randint(10**8, 10**9 - 1)}" for _ in range(size)}
            self.due -= len(numbers)
            yield Submission(
                id=ident,
                port=code(port),
                recipients=tuple(sorted(numbers)),
                content=f"【示例{port}】{text}",
                accepted_at=self.now,
                priority=Priority.of(len(numbers), None, None),
            )
        if minute % 10 == 0:
            sender = f"1380000{minute:04d}"
            for each in range(55):
                self.records += 1
                yield Record(
                    id=f"r{minute}-{each}",
                    kind=RecordKind.MO,
                    sender=sender,
                    recipient=f"139{random.randint(10**7, 10**8 - 1)}",
                    content="在吗",
                    submitted_at=self.now,
                    ingested_at=self.now,
                )

    def parties(self, minute: int) -> None:
        """Exchange orders; BOSS confirms after 20 minutes or so, the HLR at once."""
        for exchange in self.exchanges:
            while exchange.visit():
                continue
        if minute % 20 == 0 and (fresh := self.boss.take()):
            self.boss.answer(fresh, lambda order: "删除" if order["号码"].endswith("50") else "增加")
        if fresh := self.hlr.take():
            self.hlr.answer(fresh, lambda _: "成功")

    def complain(self, minute: int) -> None:
        """Port 7 is complained about every 20 minutes, others now and then."""
        of = 7 if minute % 20 == 0 else self.random.randrange(PORTS)
        if minute % 10 == 0:
            told = Complaint(
                id=f"c{minute}", port=code(of), recipient=f"1370000{minute:04d}", complained_at=self.now, source="12321"
            )
            self.deliver({topics.COMPLAINTS.name: [encode(told)]})


def code(n: int) -> str:
    return f"1069{n:04d}"


@pytest.mark.slow
def test_a_day_adds_up_to_the_message_the_case_and_the_order(tmp_path: Path) -> None:
    began = perf_counter()
    day = Day(tmp_path, int(os.environ.get("ANTISPAM_TEST_DAY_MESSAGES", "50000")))
    day.open()
    for minute in range(MINUTES):
        day.now = START + minute * MINUTE_MS
        day.screen(list(day.traffic(minute)))
        day.complain(minute)
        day.roles()
        day.review()
        day.parties(minute)
        day.take_configuration()
    day.now = START + MINUTES * MINUTE_MS
    day.roles()
    _reconcile(day, perf_counter() - began)
    day.db.close()


def _reconcile(day: Day, took: float) -> None:
    s, c, m, h, o = schema.submissions.c, schema.cases.c, schema.case_members.c, schema.holds.c, schema.number_orders.c
    with day.db.read() as connection:
        rows = connection.execute(select(s.port, s.id, s.recipients, s.verdict, s.exceptions)).all()
        refused: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row in rows:
            spared = {each["recipient"] for each in row.exceptions or ()}
            if row.verdict in (Verdict.REJECT, Verdict.BLACKLIST):
                refused[row.port, row.id] = set(row.recipients)
            else:
                refused[row.port, row.id] = spared
        held: dict[tuple[str, str], set[str]] = defaultdict(set)
        waiting = select(m.port, m.submission, m.recipients).join(schema.cases, c.id == m.case).where(c.state == "open")
        for port, ident, recipients in connection.execute(waiting):
            held[port, ident] |= set(recipients)
        waits = select(h.port, h.submission, s.recipients).join(
            schema.submissions, (s.port == h.port) & (s.id == h.submission)
        )
        for port, ident, recipients in connection.execute(waits):
            held[port, ident] |= set(recipients)
        cases: Counter[str] = Counter(dict(connection.execute(select(c.state, func.count()).group_by(c.state)).all()))
        by_pipeline = connection.scalar(select(func.count()).where(c.decided_by == "pipeline"))
        escalated = connection.scalar(select(func.count()).where(c.escalated_at.is_not(None)))
        orders: Counter[str] = Counter(dict(connection.execute(select(o.state, func.count()).group_by(o.state)).all()))
        suspended = connection.scalar(select(func.count()).where(schema.ports.c.state != "open"))
    accepted = sum(day.accepted.values())
    assert {(row.port, row.id) for row in rows} == set(day.accepted)
    wrong = [
        key
        for key, n in day.accepted.items()
        if len(day.released[key]) + len(refused[key]) + len(held[key]) != n
        or day.released[key] & refused[key]
        or day.released[key] & held[key]
    ]
    told: dict[str, Any] = {
        "accepted": accepted,
        "released": sum(map(len, day.released.values())),
        "refused": sum(map(len, refused.values())),
        "held": sum(map(len, held.values())),
        "cases": dict(cases),
        "decided by people": day.decided,
        "decided by a limit": by_pipeline,
        "escalated": escalated,
        "orders": dict(orders),
        "ports closed": suspended,
        "records": day.records,
        "seconds": round(took, 1),
    }
    print(told)
    assert not wrong, (len(wrong), wrong[:5])
    assert not day.repeated
    assert told["accepted"] == told["released"] + told["refused"] + told["held"]
    total = sum(cases.values()) - cases["merged"]
    assert total == day.decided + int(by_pipeline or 0) + cases["open"]
    assert orders["confirmed"] + orders["refused"] + orders["open"] + orders["sent"] == sum(orders.values())
    assert all((told["released"], told["refused"], day.decided, orders["confirmed"], suspended))
