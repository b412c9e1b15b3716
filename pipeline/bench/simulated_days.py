"""Days of sample traffic with all that follows from them, in simulated time: a lake and an operational database.

The decision function, the consequences of decisions, the projections, the reviewers' services and the releaser are the
real ones; there is no broker and no carrier. People are simulated: reviewers judge by the truth of the sample and err
now and then, recipients complain about some of the spam that reaches them, and on one day the operator puts the ports
with most complaints under review before send and tries another policy in shadow. So analysts can try notebooks and
reports on a lake whose truth is known.
"""

from __future__ import annotations

import heapq
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import chain, count, groupby
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select

from pipeline import door, topics
from pipeline.actions.alerts.news import project_alerts
from pipeline.actions.complaints.intake import project_complaints
from pipeline.actions.conduct.notices import project_list_actions
from pipeline.actions.conduct.port_conduct import project_port_actions
from pipeline.actions.consequences import consequences
from pipeline.actions.review import claims
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.cases import escalate
from pipeline.actions.review.closing import close_cases
from pipeline.actions.review.releaser import Releaser
from pipeline.actions.routes import load_routes
from pipeline.bench.live_lake import LiveLake
from pipeline.decision.configuration import default_policy, directory_entries
from pipeline.decision.screening import Screened
from pipeline.durations import HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.errors import AntispamError
from pipeline.events import (
    Category,
    Complaint,
    ConfigChange,
    DeliveryReport,
    Event,
    Label,
    Outbound,
    PortState,
    Priority,
    Record,
    Submission,
    Tier,
    Verdict,
    decoder,
    encode,
)
from pipeline.lake.backtest.sweep import with_number
from pipeline.lake.message_facts import sms_parts
from pipeline.lake.tables import decoder_of
from pipeline.rules.clock.calendar import shipped_calendar_text
from pipeline.sample.config import write_config
from pipeline.sample.drafts import submission, timed
from pipeline.sample.drift import drift
from pipeline.sample.enterprises import PORTS
from pipeline.sample.traffic import generate
from pipeline.sample.truth import Sample, Truth
from pipeline.sample.wording import phones, pick, wording
from pipeline.settings import Settings
from pipeline.store import outbox, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.migrate import open_database
from pipeline.store.registry import import_configuration, policy_lifecycle, registry

FIRST_HOUR, LAST_HOUR = 7, 22  # of a day's traffic
TICK_MS = 5 * MINUTE_MS  # between two rounds of the work that follows decisions
DRAIN_MS = 10 * HOUR_MS  # after the last traffic of a day: reports and complaints arrive
HAND = 12  # cases a reviewer takes at once
SECONDS_A_CASE = 25.0  # median
ERRORS = (0.01, 0.02, 0.04, 0.08)  # share of wrong verdicts of each reviewer
COMPLAINTS = 1 / 150  # of spam messages that reach somebody
WATCHED = 3  # ports that come under review before send
CHANNELS = {"China Mobile": "mobile", "China Unicom": "unicom", "China Telecom": "telecom"}
FAILS = {"mobile": 0.02, "unicom": 0.03, "telecom": 0.05, "default": 0.10}  # of the messages of a channel
SILENT = 0.01  # share of messages whose report never comes
PUSHY = "106590430011"  # a shop whose advertising passes while it is ordinary, and is unwanted
PUSHES, AGAIN, PUSHED = 10, 3, 25  # its contents a day, submissions of each in two minutes, recipients of each
_OFFERS = (
    wording("温馨提示：{product}已到货，您收藏的商品可到店试用，回T退订"),
    wording("您上次咨询的{product}现已到店，可凭本短信到服务台查看，回T退订"),
)
STORY_DAYS = 4  # the fewest days that hold the campaign
CANDIDATE = "score-review.score", "0.6"  # the shipped rule asks at more
OPERATOR = User("operator", Role.ADMINISTRATOR)

Watch = Callable[[str, Event], None]


@dataclass(order=True)
class _Due:
    """A record that arrives later."""

    at: int
    serial: int
    topic: str
    key: str
    event: Event


class SimulatedDays:
    """Fills the lake and the operational database of the settings' data directory; `watch` sees every record."""

    def __init__(self, settings: Settings, seed: int = 7, watch: Watch | None = None) -> None:
        self._settings = _with_channels(settings)
        self._zone = ZoneInfo(settings.console_zone)
        self._rng = Random(seed)  # noqa: S311 - repeatable chance is the point
        self._seed = seed
        self._watch = watch or (lambda *_: None)
        self._db = open_database(self._settings)
        self._lake = LiveLake(self._settings, self._follow)
        self._routes = load_routes(self._settings)
        self._releaser_records: list[tuple[str, str, bytes]] = []
        self._records: defaultdict[str, list[bytes]] = defaultdict(list)
        self._due: list[_Due] = []
        self._serial = count()
        self._spam: dict[str, bool] = {}  # by content
        self._now = 0
        self._complaints: Counter[str] = Counter()
        self._reviewers = [User(f"reviewer-{n}", Role.SENIOR_REVIEWER) for n in range(1, len(ERRORS) + 1)]
        self._releaser = Releaser(
            self._settings,
            self._db,
            _Producer(self._releaser_records),  # type: ignore[arg-type]
            lambda: self._lake.config,
            lambda: self._now / 1000,
        )

    def run(self, first: date, days: int, samples: int, more: Iterable[Sample] = ()) -> None:
        """Days from `first` on with `samples` samples each, and `more` samples in order of time."""
        begin = self._at(first, time())
        self._configure(begin)
        extra = iter(sorted(more, key=lambda sample: sample.at))
        waiting = next(extra, None)
        for day in range(days):
            today = first + timedelta(days=day)
            start, end = self._at(today, time(FIRST_HOUR)), self._at(today, time(LAST_HOUR))
            own = list(generate(self._seed + day, samples, start, (end - start) / 1000))
            while waiting is not None and waiting.at < end:
                own.append(waiting)
                waiting = next(extra, None)
            own += _unwanted(self._seed + day, start, end)
            own.sort(key=lambda sample: sample.at)
            if day == days // 3:
                self._review_before_send(start)
                self._try_candidate(start)
            self._traffic(own, start)
            self._work(end, min(end + DRAIN_MS, self._at(today + timedelta(days=1), time(FIRST_HOUR))))
        self._lake.close(self._now)
        self._db.close()

    def _at(self, day: date, clock: time) -> int:
        return round(datetime.combine(day, clock, self._zone).timestamp() * 1000)

    def _configure(self, now: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_config(Path(folder), now)
            Path(folder, "calendar.yaml").write_text(shipped_calendar_text(), encoding="utf-8")
            import_configuration.add(self._db, OPERATOR, list(directory_entries(Path(folder))), now)
        self._relay(now)

    def _traffic(self, samples: Iterable[Sample], since: int) -> None:
        tick = since + TICK_MS
        for minute, together in groupby(samples, lambda sample: sample.at // MINUTE_MS):
            while (minute + 1) * MINUTE_MS > tick:
                self._step(tick)
                tick += TICK_MS
            events = [(sample, self._event(sample)) for sample in together]
            now = self._now = events[-1][0].at + 50
            for sample, event in events:
                if isinstance(event, Complaint):
                    self._complain(event, now)
                else:
                    self._spam[event.content] = sample.truth.label is Label.SPAM
            self._lake.poll([event for _, event in events if not isinstance(event, Complaint)], now)

    def _event(self, sample: Sample) -> Submission | Record | Complaint:
        if sample.what == "submission":
            line = msgspec.convert(sample.body, door.SubmissionIn)
            event: Any = door.submission(line, self._settings, sample.at, sample.body["id"])
        elif sample.what == "record":
            event = door.record(msgspec.convert(sample.body, door.RecordIn), self._settings, sample.at, "")
        else:
            event = door.complaint(msgspec.convert(sample.body, door.ComplaintIn), self._settings, sample.at, "")
        self._watch(_topic(event), event)
        return event  # type: ignore[no-any-return]

    def _work(self, since: int, until: int) -> None:
        for tick in range(since, until, TICK_MS):
            self._step(tick)

    def _step(self, now: int) -> None:
        """What happens every few minutes: records arrive, are projected, cases are judged and carried out."""
        self._now = now
        self._lake.poll([], now)
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            if isinstance(due.event, Complaint):
                self._complain(due.event, due.at)
            else:
                self._put(due.topic, due.key, due.event, due.at)
        self._project(now)
        escalate(self._db, now, 1000)
        close_cases(self._db, now, 1000, refuses=True)
        if self._cases_wait():
            for place in self._rng.sample(range(len(ERRORS)), len(ERRORS)):  # whoever asks first
                self._review(self._reviewers[place], ERRORS[place], now)
        while self._releaser.step():
            pass
        for topic, key, value in self._releaser_records:
            self._put(topic, key, decoder_of(topic)(value), now)
        self._releaser_records.clear()
        self._relay(now)

    def _follow(self, event: Submission | Record, screened: Screened) -> None:
        """Carry a decision out."""
        self._watch(topics.DECISIONS.name, screened.decision)
        told = consequences(event, screened, self._routes, str, self._settings.release_secret)
        for topic, key, record in told:
            self._put(topic, key, record, screened.decision.decided_at)

    def _put(self, topic: str, key: str, event: Event, at: int) -> None:
        self._lake.put(topic, key, event, at)
        self._watch(topic, event)
        self._records[topic].append(encode(event))
        if isinstance(event, Outbound):
            self._send(topic, event, at)

    def _send(self, topic: str, sent: Outbound, at: int) -> None:
        """The carrier's reports of a release, and what its recipients think of it."""
        submission, channel = sent.submission, topic.split(".")[1]
        places = {recipient: n for n, recipient in enumerate(submission.recipients, 1)}
        spam = self._spam.get(submission.content, False)
        for recipient in sent.recipients:
            reported = at + self._rng.randrange(2 * SECOND_MS, MINUTE_MS)
            if self._rng.random() >= SILENT:
                status = "UNDELIV" if self._rng.random() < FAILS[channel] else "DELIVRD"
                for part in range(1, (sms_parts(submission) or 1) + 1):
                    report = DeliveryReport(
                        id=f"{submission.id}/{places[recipient]}",
                        channel=channel,
                        carrier_id=f"{self._rng.getrandbits(64):016x}",
                        status=status,
                        reported_at=reported,
                        part=part,
                        port=submission.port,
                    )
                    self._later(topics.DELIVERIES.name, submission.id, report, reported)
            if spam and self._rng.random() < COMPLAINTS:
                angry = reported + self._rng.randrange(5 * MINUTE_MS, 4 * HOUR_MS)
                source = self._rng.choice(("12321", "hotline", "10086999"))
                complaint = Complaint(
                    id=f"complaint-{next(self._serial)}",
                    port=submission.port,
                    recipient=recipient,
                    complained_at=angry,
                    content=submission.content,
                    source=source,
                )
                self._later(topics.COMPLAINTS.name, submission.port, complaint, angry)

    def _later(self, topic: str, key: str, event: Event, at: int) -> None:
        heapq.heappush(self._due, _Due(at, next(self._serial), topic, key, event))

    def _complain(self, complaint: Complaint, at: int) -> None:
        self._complaints[complaint.port] += 1
        self._put(topics.COMPLAINTS.name, complaint.port, complaint, at)

    def _project(self, now: int) -> None:
        table: dict[topics.Topic, Callable[..., int]] = {
            topics.CASES: project_members,
            topics.COMPLAINTS: partial(project_complaints, shapes=self._settings.complaint_shapes),
            topics.PORT_ACTIONS: project_port_actions,
            topics.LIST_ACTIONS: project_list_actions,
            topics.ALERTS: project_alerts,
        }
        for topic, project in table.items():
            records = self._records.pop(topic.name, None)
            if records:
                with self._db.write() as connection:
                    project(connection, now, records)
        self._records.clear()

    def _cases_wait(self) -> bool:
        with self._db.read() as connection:
            open_cases = select(schema.cases.c.id).where(schema.cases.c.state == "open").limit(1)
            return connection.execute(open_cases).first() is not None

    def _review(self, reviewer: User, errs: float, now: int) -> None:
        """What a reviewer decides in the time until the next step."""
        local = datetime.fromtimestamp(now / 1000, self._zone)
        if not time(8, 30) <= local.time() < time(17, 30):
            return
        left = TICK_MS / 1000
        for case in claims.claim(self._db, reviewer, now, HAND):
            left -= self._rng.lognormvariate(0.0, 0.7) * SECONDS_A_CASE
            if left < 0:
                break
            spam = self._spam.get(case.content, False) != (self._rng.random() < errs)
            verdict = Verdict.REJECT if spam else Verdict.RELEASE
            at = now + round((TICK_MS / 1000 - left) * 1000)
            try:
                claims.decide(self._db, reviewer, case.id, verdict, "", at, case.last_member)
            except AntispamError:  # it has grown: the next look shows how
                continue

    def _review_before_send(self, now: int) -> None:
        """Put the ports with most complaints under review before send."""
        watched = 0
        for code, _ in self._complaints.most_common():
            entry = registry.port(self._db, code)
            if (
                watched < WATCHED
                and entry is not None
                and entry.tier is not Tier.HIGH
                and entry.state is PortState.OPEN
            ):
                raised = msgspec.structs.replace(entry, tier=Tier.HIGH)
                registry.save_port(self._db, OPERATOR, raised, now, "complaints")
                watched += 1
        self._relay(now)

    def _try_candidate(self, now: int) -> None:
        """Let a policy with another number decide without effect beside the one in force."""
        text = with_number(default_policy(), *CANDIDATE, "policy.yaml")
        version = policy_lifecycle.draft(self._db, OPERATOR, text, "=".join(CANDIDATE), now)
        policy_lifecycle.submit(self._db, OPERATOR, version, now)
        policy_lifecycle.shadow(self._db, OPERATOR, version, now)
        self._relay(now)

    def _relay(self, now: int) -> None:
        """Publish what the database's transactions left to publish."""
        with self._db.read() as connection:
            waiting = outbox.unpublished(connection, 10_000)
        if not waiting:
            return
        changes: list[ConfigChange] = []
        for message in chain.from_iterable(publication.messages for _, publication in waiting):
            if message.value is None or message.topic not in _RELAYED:
                continue
            if message.topic == topics.CONFIG.name:
                changes.append(_change(message.value))
            else:
                self._put(message.topic, message.key, decoder_of(message.topic)(message.value), now)
        if changes:
            self._lake.apply(changes, now)
        with self._db.write() as connection:
            outbox.mark_published(connection, [ident for ident, _ in waiting], now)


_change = decoder(ConfigChange)
_RELAYED = frozenset(topic.name for topic in (topics.CONFIG, topics.REVIEWS, topics.ALERTS))


class _Producer:
    """A producer for the releaser: acknowledges at once."""

    def __init__(self, kept: list[tuple[str, str, bytes]]) -> None:
        self._kept = kept
        self._queued: list[Any] = []

    def produce(self, topic: str, value: bytes, key: str, partition: int = -1, on_delivery: Any = None) -> None:
        """Keep a record."""
        self._kept.append((topic, key, value))
        if on_delivery is not None:
            self._queued.append(on_delivery)

    def poll(self, timeout: float = -1) -> int:
        """Acknowledge the records."""
        queued, self._queued = self._queued, []
        for on_delivery in queued:
            on_delivery(None, None)
        return len(queued)

    def flush(self, timeout: float = -1) -> int:
        """Acknowledge the records; none stays."""
        self.poll(timeout)
        return 0


def _unwanted(seed: int, start: int, end: int) -> Iterator[Sample]:
    """A day's advertising of PUSHY from `start` to `end` (epoch ms)."""
    rng = Random(seed)  # noqa: S311 - repeatable chance is the point
    [port] = [port for port in PORTS if port.code == PUSHY]
    truth = Truth("unwanted", Label.SPAM, (Verdict.RELEASE, Verdict.REVIEW), Category.RETAIL)
    for n in range(PUSHES):
        content = port.signed(pick(rng, _OFFERS).fill(rng))
        at = start + round((end - start) * (n + rng.random()) / PUSHES)
        for again in range(AGAIN):
            draft = submission(port.code, phones(rng, PUSHED), content, truth, Priority.BULK)
            yield timed(draft, at + again * 40 * SECOND_MS, f"unwanted-{start:x}-{n}-{again}")


def simulate_days(settings: Settings, first: date, days: int, samples: int) -> None:
    """Fill an empty data folder with `days` days from `first` on, and a campaign that drifts on the third and fourth.

    `samples` is the number of samples a day. Raises AntispamError for a folder that has a lake.
    """
    if settings.lake_dir.exists():
        raise AntispamError(f"{settings.lake_dir}: there is a lake already")
    begin = datetime.combine(first + timedelta(days=2), time(9), ZoneInfo(settings.console_zone))
    story = drift(7, round(begin.timestamp() * 1000)) if days >= STORY_DAYS else ()
    SimulatedDays(settings).run(first, days, samples, story)


def _topic(event: Submission | Record | Complaint) -> str:
    kinds = {Submission: topics.SUBMISSIONS_BULK, Record: topics.RECORDS, Complaint: topics.COMPLAINTS}
    return kinds[type(event)].name


def _with_channels(settings: Settings) -> Settings:
    """The settings with a channel for each large carrier."""
    lines = [
        f'{name}: {{carrier: {carrier}, host: 127.0.0.1, port: 7890, account: "900001"}}'
        for carrier, name in CHANNELS.items()
    ]
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = settings.data_dir / "channels.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return settings.model_copy(update={"channels": ("default", *CHANNELS.values()), "channels_file": file})
