"""The releaser: carries out reviewers' verdicts, member by member, in order of arrival.

First a verdict takes effect: when its time for undo is over, one transaction publishes it and, for `blacklist`,
suspends the port. Then the members follow in batches. The cursor `cases.released` moves after the broker has
acknowledged a batch. If the process is killed in between, the batch is produced again, and the sender drops the
repetitions. Two releasers at once only produce the same records twice; the compare-and-set of the cursor lets one win.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import time
from typing import Any

import msgspec
from confluent_kafka import Producer
from sqlalchemy import Connection, delete, select, update

from pipeline import metrics, topics
from pipeline.actions.conduct.port_conduct import close, judge_refused_bulk
from pipeline.actions.release import by_channel
from pipeline.actions.review.cases import CLOSING, OVERDUE
from pipeline.actions.routes import load_routes
from pipeline.actions.status.verdict_overrides import VerdictOverride, override_verdicts
from pipeline.decision.after_review import waits_until
from pipeline.decision.configuration import Config
from pipeline.decision.standing import may_send
from pipeline.events import Hold, Kind, Outbound, PortState, ReviewVerdict, Submission, Verdict, encode
from pipeline.kafka.clients import send, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.steady import steadily
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.refusals import Refusal
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.migrate import open_database
from pipeline.store.outbox import publish

BATCH = 500  # members
BATCH_MESSAGES = 50_000  # recipients in a batch, unless one member has more
CASES = 20  # cases that take turns, one batch each
IDLE = 0.5  # seconds between polls without decided cases

_cases, _members = schema.cases, schema.case_members
_decode = msgspec.json.Decoder(Submission).decode


def run_releaser(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop`. Raises AntispamError if database or broker stay unavailable."""
    db = open_database(settings)
    follower = ConfigFollower(settings, "releaser")
    # Without gapless delivery a later member could overtake a member that is produced again.
    producer = writer(settings, None, **{"enable.gapless.guarantee": True})
    try:
        follower.catch_up()
        steadily("releaser", Releaser(settings, db, producer, follower.poll).step, stop, IDLE)
    finally:
        follower.close()
        db.close()


class Releaser:
    """The releaser of one process; `config` gives the configuration in force."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        producer: Producer,
        config: Callable[[], Config],
        clock: Callable[[], float] = time,
    ) -> None:
        self._db = db
        self._config = config
        self._clock = clock
        self._routes = load_routes(settings)
        self._secret = settings.release_secret
        self._producer = producer

    def step(self) -> bool:
        """Let due verdicts take effect, then release a batch of each unfinished case; returns whether there was any."""
        now = int(self._clock() * 1000)
        with self._db.read() as connection:
            due = connection.scalars(
                select(_cases.c.id)
                .where(_cases.c.state == "decided", _cases.c.effective_at <= now)
                .order_by(_cases.c.effective_at)
                .limit(CASES)
            ).all()
        for case in due:
            with self._db.write() as connection:
                take_effect(connection, now, case)
        with self._db.read() as connection:
            unfinished = connection.execute(
                select(
                    _cases.c.id,
                    _cases.c.port,
                    _cases.c.verdict,
                    _cases.c.decided_by,
                    _cases.c.note,
                    _cases.c.refusal,
                    _cases.c.released,
                    _cases.c.last_member,
                )
                .where(_cases.c.state == "effective", _cases.c.released < _cases.c.last_member)
                .order_by(_cases.c.decided_at)
                .limit(CASES)
            ).all()
        for found in unfinished:
            self._carry_out(now, found)
        return bool(due or unfinished)

    def _carry_out(self, now: int, case: Any) -> None:
        """Produce one batch of a case's members, wait for the broker, then move the cursor."""
        config = self._config()
        with self._db.read() as connection:
            members = next_batch(connection, case.id, case.released)
            port = connection.execute(
                select(schema.ports.c.state, schema.ports.c.channel).where(schema.ports.c.code == case.port)
            ).first()
        overrides: list[VerdictOverride] = []
        outbound: list[tuple[str, str, bytes]] = []
        submissions = [_decode(member.body) for member in members]
        released = case.verdict == Verdict.RELEASE
        waits = waits_until(submissions, config, now) if released else [None] * len(members)
        for member, submission, wait in zip(members, submissions, waits, strict=True):
            channel = member.channel or (port.channel if port else "")
            verdict, rule = self._outcome(now, case, port, submission, channel)
            refused: dict[str, BuiltInRule] = {}
            if verdict is Verdict.RELEASE:
                # Recipients that have unsubscribed or were blocked while the case waited.
                refused = _unreachable(config, submission, member.recipients, now)
                if refused and len(refused) == len(member.recipients):
                    verdict, rule = Verdict.REJECT, next(iter(refused.values()))
            decided_by = case.decided_by if rule is BuiltInRule.REVIEWED else "policy"
            refusal = Refusal(case.refusal) if case.refusal and rule is BuiltInRule.REVIEWED else None
            overrides.append(VerdictOverride(submission, member.round, verdict, decided_by, rule, refused, refusal))
            recipients = tuple(recipient for recipient in member.recipients if recipient not in refused)
            if (submission.scheduled_at or 0) > now:
                wait = BuiltInRule.SCHEDULED, submission.scheduled_at or 0
            if verdict is Verdict.RELEASE and recipients and wait is not None:
                reviewed = msgspec.structs.replace(submission, reviewed=True)
                hold = Hold(submission=reviewed, rule=wait[0], due_at=wait[1], epoch=config.epoch)
                outbound.append((topics.HOLDS.name, submission.id, encode(hold)))
            elif verdict is Verdict.RELEASE and recipients:
                release = Outbound(submission=submission, recipients=recipients, round=member.round, decided_at=now)
                records = by_channel(release, case.port, channel, self._routes, self._secret)
                outbound += [(topic, key, encode(record)) for topic, key, record in records]
        send(self._producer, outbound)
        with self._db.write() as connection:
            # The last members may have gone back to their own cases (separating.py).
            reached = members[-1].number if members else case.last_member
            moved = connection.execute(
                update(_cases)
                .where(_cases.c.id == case.id, _cases.c.released == case.released)
                .values(released=reached)
            )
            if moved.rowcount == 0:
                return  # another releaser has finished this batch
            override_verdicts(connection, now, overrides)
        for override in overrides:
            metrics.MEMBERS_SETTLED.labels(override.verdict.value).inc()

    def _outcome(
        self, now: int, case: Any, port: Any, submission: Submission, channel: str
    ) -> tuple[Verdict, BuiltInRule]:
        """The verdict on a member and its rule. A released member is rejected if it may no longer be sent."""
        if case.decided_by == audit.PIPELINE:
            return Verdict.REJECT, BuiltInRule(case.note or BuiltInRule.UNREVIEWED)
        if case.verdict != Verdict.RELEASE:
            return Verdict(case.verdict), BuiltInRule.REVIEWED
        forbidden = may_send(PortState(port.state) if port else None)
        if forbidden is not None:
            return Verdict.REJECT, forbidden
        if submission.valid_until is not None and submission.valid_until <= now:
            return Verdict.REJECT, BuiltInRule.EXPIRED
        if not self._routes.knows(channel):
            return Verdict.REJECT, BuiltInRule.CHANNEL_UNKNOWN
        return Verdict.RELEASE, BuiltInRule.REVIEWED


def _unreachable(config: Config, submission: Submission, recipients: Sequence[str], now: int) -> dict[str, BuiltInRule]:
    port = config.ports.find(submission.port) if config.ports else None
    if port is None:
        return config.lists.unreachable(recipients, "", Kind.NOTICE, now)
    return config.lists.unreachable(recipients, port.code, port.kind_of(submission.content), now)


def take_effect(connection: Connection, now: int, case: str) -> bool:
    """Make a decided case effective: publish its verdict and act on its port. False if undone or already effective."""
    found = connection.execute(
        update(_cases)
        .where(_cases.c.id == case, _cases.c.state == "decided", _cases.c.effective_at <= now)
        .values(state="effective")
        .returning(_cases)
    ).first()
    if found is None:
        return False
    timers = schema.timers
    connection.execute(delete(timers).where(timers.c.kind.in_((OVERDUE, CLOSING)), timers.c.subject == case))
    evidence = f"case/{case}"
    if found.verdict == Verdict.BLACKLIST:
        close(connection, now, "suspend", found.port, found.decided_by, found.rule, evidence)
    elif found.verdict == Verdict.REJECT:
        judge_refused_bulk(connection, now, found.port, evidence)
    verdict = ReviewVerdict(
        case=case,
        verdict=Verdict(found.verdict),
        reviewer=found.decided_by,
        decided_at=found.decided_at,
        note=found.note,
        refusal=found.refusal,
        port=found.port,
        fingerprint=found.fingerprint,
        campaign=found.campaign,
        rule=found.rule,
        opened_at=found.opened_at,
        messages=found.messages,
    )
    publish(connection, now, (topics.REVIEWS, case, verdict))
    return True


def next_batch(connection: Connection, case: str, released: int) -> Sequence[Any]:
    """The next members after the cursor: at least one, at most BATCH, within BATCH_MESSAGES if possible.

    It depends on the rows alone, so whoever asks with the same cursor gets the batch that may be on its way.
    """
    behind = (_members.c.case == case, _members.c.number > released)
    last, messages = released, 0
    for row in connection.execute(
        select(_members.c.number, _members.c.messages).where(*behind).order_by(_members.c.number).limit(BATCH)
    ):
        messages += row.messages
        if messages > BATCH_MESSAGES and last != released:
            break
        last = row.number
    return connection.execute(
        select(_members).where(*behind, _members.c.number <= last).order_by(_members.c.number)
    ).all()
