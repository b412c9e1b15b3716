"""The world of a scripted day: 300 ports, 4 reviewers, an operator, BOSS and HLR, in simulated time.

The decision function, the projections, the timers, the releaser, the exchange and each service that a person calls are
those of the processes; topics are lists in memory. Nothing here decides what is right: it does what people and
processes do, and keeps what it did, so that a test can compare it with the database.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, insert, select

from pipeline import topics
from pipeline.actions.complaints.intake import take
from pipeline.actions.conduct import appeals, tiers
from pipeline.actions.consequences import consequences
from pipeline.actions.holds.timers import Timers
from pipeline.actions.orders.parties import load_parties
from pipeline.actions.review import claims
from pipeline.actions.review.claims import CaseView
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
    PortState,
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

ZONE = "Asia/Shanghai"


def at(clock: str, day: int = 10, month: int = 3) -> int:
    """A time of 2026 (epoch ms), by default of the day itself, a Tuesday."""
    hour, minute = map(int, clock.split(":"))
    return int(datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)


START, END = at("08:00"), at("18:00")
MINUTES = (END - START) // MINUTE_MS
SHIFTS = ((at("08:30"), at("12:00")), (at("13:30"), at("17:15")))  # review hours are 08:30 to 17:30
HAND = 20  # cases that a reviewer fetches ahead
PORTS = 300
SUBSCRIBERS = 1000  # of each port; the same people hear of it again during the day
CHIEF = User("chief", Role.ADMINISTRATOR)
OPERATOR = User("operator", Role.OPERATOR)
REVIEWERS = [User(f"reviewer-{n}", Role.REVIEWER if n < 3 else Role.SENIOR_REVIEWER) for n in range(4)]
CALM = ("您的订单{n}已发货，请留意查收。", "您预约的{n}号服务已确认。", "尊敬的用户，您的账单{n}已生成，请查收。")
GOODS = (
    *("茶叶", "女装", "童鞋", "家具", "灯具", "厨具", "眼镜", "手表", "自行车", "花卉"),
    *("水果", "海鲜", "糕点", "玩具", "图书", "文具", "窗帘", "床品", "箱包", "雨伞"),
)
BULK = (
    "本周末{of}全场八折，欢迎光临，拒收请回复R",
    "新品{of}上市，到店有礼，拒收请回复R",
    "购{of}积分双倍，拒收请回复R",
)
PHISHING = "您的积分即将清零，请点击 http://t{n}.example.top/a 兑换{of}，过期作废"
COMPLAINED, FRAUD = 7, range(17, PORTS, 60)  # a port that many complain about; ports that send phishing
WORSE, CLEAN, NEWEST = range(140, 146), range(20, 25), 6  # by their last months; by age in days (ports of high risk)


class WorkingDay:
    """The world of one day, `messages` in it. `now` is epoch ms; the attributes in plural are what has happened."""

    def __init__(self, db: Database, folder: Path, messages: int) -> None:
        self.random = Random(11)
        self.now = START
        self.per_minute = messages / MINUTES
        self.due = 0.0  # messages that are to come; a large submission takes those of later minutes
        self.boss, self.hlr = FarParty(folder, "boss", BOSS_WORDS), FarParty(folder, "hlr", HLR_WORDS)
        given = {"kafka": "127.0.0.1:9", "data_dir": folder / "data"}
        parties = [self.boss.settings(wait=3600.0), self.hlr.settings(wait=3600.0)]
        settings = Settings.model_validate(given | {"order_exchanges": parties})
        self.settings, self.db = settings, db
        self.entries = ConfigEntries()
        self.counters = MemoryCounters()
        self.routes: Routes = load_routes(settings)
        self.projected = {t.name: p for each in projections(settings).values() for t, p in each.items()}
        self.producer = MemoryProducer()
        clock, config = lambda: self.now / 1000, lambda: self.entries.config
        self.timers = Timers(db, cast(Any, self.producer), config, clock)
        self.releaser = Releaser(settings, db, cast(Any, self.producer), config, clock)
        known, stop = load_parties(settings), threading.Event()
        self.exchanges = [Exchange(each, known, settings, db, stop, clock) for each in settings.order_exchanges]
        self.subscribers = [
            [f"13{number:09d}" for number in Random(n).sample(range(10**9), SUBSCRIBERS)] for n in range(PORTS)
        ]
        self.hands: dict[str, list[CaseView]] = {user.name: [] for user in REVIEWERS}
        self.free_at = dict.fromkeys(self.hands, START)
        self.accepted: dict[tuple[str, str], int] = {}
        self.released: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.repeated = 0  # messages that left twice
        self.said: dict[str, Verdict] = {}  # by case: the last verdict of a person that was not taken back
        self.undone = 0
        self.grown = 0  # releases that were refused because the case had grown
        self.records = 0
        self.complaints: set[str] = set()
        self.filed: set[tuple[str, str]] = set()
        self.tiers: dict[str, str] = {}  # that a port has after a person's decision

    def open(self) -> None:
        """Register the ports, give them their past, and put the policy in force."""
        policy = default_policy() + "\noutside_review_hours: refuse\n"
        registry.publish_configuration(self.db, CHIEF, "policy", "policy.yaml", policy, START)
        for n in range(PORTS):
            tier = ("high", "ordinary", "trusted")[(n % 10 > 4) + (n % 10 > 8)]
            kind = "commercial" if n % 3 == 0 else "notice"
            given = {"code": code(n), "name": f"示例{n}", "tier": tier, "kind": kind, "signatures": [f"示例{n}"]}
            opened = at("09:00", 20, 2) if tier == "high" and n not in CLEAN else at("09:00", 1, 1) - 90 * DAY_MS
            registry.save_port(self.db, CHIEF, msgspec.convert(given, PortEntry), opened)
        past = [{"month": month, "messages": 200_000, "counted_at": START} for month in ("2026-01", "2026-02")]
        with self.db.write() as connection:
            rows = [each | {"port": code(n)} for n in range(PORTS) for each in past]
            connection.execute(insert(schema.port_months), rows)
        for n in WORSE:
            self.complain(n, f"last-month-{n}", at("10:00", 24, 2))
        self.take_configuration()

    def judge_tiers(self) -> None:
        """The month is judged, and the operator decides the proposals: all but each fifth one."""
        tiers.judge_tiers(self.db, ZONE, "propose", self.now)
        for n, row in enumerate(tiers.proposals(self.db, OPERATOR)):
            accept = n % 5 != 4
            assert tiers.decide_tier(self.db, OPERATOR, row.port, row.month, accept, "committee", self.now)
            self.tiers[row.port] = row.after if accept else row.before

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

    def screen(self, events: Sequence[Submission | Record]) -> None:
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
                    self.repeated += len(left.intersection(sent.recipients))
                    left.update(sent.recipients)

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
        """Each reviewer decides cases until the next minute begins, 6 to 25 s each, from a hand fetched ahead."""
        until = self.now + MINUTE_MS
        for user in REVIEWERS:
            moment = max(self.free_at[user.name], self.now)
            while moment < until and any(begin <= moment < end for begin, end in SHIFTS):
                hand = self.hands[user.name]
                if not hand:
                    hand += claims.claim(self.db, user, moment, HAND)
                if not hand:
                    break
                moment += self.random.randint(6, 25) * SECOND_MS
                self._decide(user, hand.pop(0), moment)
            self.free_at[user.name] = moment
            if not any(begin <= moment < end for begin, end in SHIFTS):
                claims.give_back(self.db, user, [case.id for case in self.hands[user.name]], moment)
                self.hands[user.name].clear()

    def _decide(self, user: User, case: CaseView, moment: int) -> None:
        verdict = Verdict.RELEASE
        if "example.top" in case.content:
            verdict = Verdict.BLACKLIST if self.random.random() < 0.3 else Verdict.REJECT
        elif self.random.random() < 0.06:
            verdict = Verdict.REJECT
        try:
            claims.decide(self.db, user, case.id, verdict, "", moment, case.last_member, took=moment - self.now)
        except AntispamError as error:  # it was closed, escalated, merged or has grown meanwhile: another time
            self.grown += "has grown" in str(error)
            return
        self.said[case.id] = verdict
        if self.random.random() < 0.02:
            claims.undo(self.db, user, case.id, moment + 5 * SECOND_MS)
            self.undone += 1
            del self.said[case.id]
            self.hands[user.name].append(case)

    def traffic(self, minute: int) -> Iterator[Submission | Record]:
        """The events of a minute."""
        random, n = self.random, 0
        self.due += self.per_minute
        while self.due > 0:
            n += 1
            port = random.randrange(PORTS)
            bulk = random.random() < 0.02
            size = random.randint(60, 200) if bulk else 1
            text = random.choice(BULK if bulk else CALM)
            if port in FRAUD and random.random() < 0.5:
                text = PHISHING
            text = text.format(n=random.randint(1, 9), of=random.choice(GOODS))
            self.due -= size
            yield Submission(
                id=f"{minute}-{n}",
                port=code(port),
                recipients=tuple(sorted(random.sample(self.subscribers[port], size))),
                content=f"【示例{port}】{text}",
                accepted_at=self.now,
                priority=Priority.of(size, None, None),
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
        """Exchange orders every 5 minutes; BOSS confirms after 20 minutes or so, the HLR at the next visit."""
        if minute % 5:
            return
        for exchange in self.exchanges:
            while exchange.visit():
                continue
        if minute % 20 == 0 and (fresh := self.boss.take()):
            self.boss.answer(fresh, lambda order: "删除" if order["号码"].endswith("50") else "增加")
        if fresh := self.hlr.take():
            self.hlr.answer(fresh, lambda _: "成功")

    def complaints_of(self, minute: int) -> None:
        """One port is complained about every 20 minutes, others every 10; each third complaint comes twice."""
        if minute % 10 == 0:
            of = COMPLAINED if minute % 20 == 0 else self.random.randrange(PORTS)
            for _ in range(1 + (minute % 30 == 0)):
                self.complain(of, f"c{minute}", self.now)

    def complain(self, port: int, ident: str, when: int) -> None:
        """A complaint comes: over the topic in the mornings, in a file of a channel otherwise."""
        told = Complaint(
            id=ident,
            port=code(port),
            recipient=self.subscribers[port][len(self.complaints) % SUBSCRIBERS],
            complained_at=when,
            source="12321",
        )
        self.complaints.add(ident)
        if when < at("12:00"):
            self.deliver({topics.COMPLAINTS.name: [encode(told)]})
            return
        with self.db.write() as connection:
            take(connection, self.now, [told], self.settings.complaint_shapes)

    def appeal(self) -> None:
        """Owners appeal against suspensions and against some refusals of people."""
        ports, submissions, of = schema.ports, schema.submissions, [user.name for user in REVIEWERS]
        with self.db.write() as connection:
            closed = connection.scalars(select(ports.c.code).where(ports.c.state == PortState.SUSPENDED)).all()
            refused = connection.execute(
                select(submissions.c.port, submissions.c.id)
                .where(submissions.c.decided_by.in_(of), submissions.c.verdict == Verdict.REJECT)
                .order_by(submissions.c.decided_at.desc(), submissions.c.id)
                .limit(3)
            ).all()
            for port in closed:
                self._file(connection, port, None)
            for port, ident in refused:
                self._file(connection, port, ident)

    def _file(self, connection: Connection, port: str, submission: str | None) -> None:
        filed = appeals.file_appeal(connection, port, submission, "请复核", self.now)
        self.filed.add((port, str(filed.id)))

    def answer_appeals(self) -> None:
        """Another person than the first answers what waits: each third appeal is granted."""
        for row in appeals.appeals(self.db, CHIEF):
            people = (REVIEWERS[-1], OPERATOR, CHIEF)
            decider = next(user for user in people if appeals.may_decide(user, row.about, row.against))
            appeals.decide_appeal(self.db, decider, row.id, row.id % 3 == 0, "已复核", self.now)

    def run(self) -> None:
        """Live through the day. What arrives at 18:00 is accepted, and still waits when the day ends."""
        self.open()
        for minute in range(MINUTES + 1):
            self.now = START + minute * MINUTE_MS
            if minute == 10:
                self.judge_tiers()
            self.screen(list(self.traffic(minute)))
            self.complaints_of(minute)
            self.roles()
            self.review()
            self.parties(minute)
            if minute % 30 == 15:
                self.answer_appeals()
                self.appeal()
            self.take_configuration()


def code(n: int) -> str:
    """The code of the n-th port."""
    return f"1069{n:04d}"
