"""The role `timers`: sends due holds into their next round, escalates overdue cases, closes cases, and orders them.

All timers are database rows claimed by lease, so any number of processes may run this role.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import time
from uuid import uuid4

import msgspec
import structlog
from confluent_kafka import Producer

from pipeline import metrics
from pipeline.actions.holds import holds
from pipeline.actions.holds.holds import DueHold
from pipeline.actions.review.cases import escalate
from pipeline.actions.review.closing import close_cases
from pipeline.actions.review.urgency import RESTAMP_EVERY, restamp
from pipeline.actions.status.verdict_overrides import VerdictOverride, override_verdicts
from pipeline.decision.configuration import Config
from pipeline.events import Verdict, encode
from pipeline.kafka.clients import send, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.destination import destination
from pipeline.kafka.steady import steadily
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.policies.queues import NO_QUEUES
from pipeline.rules.ports import Ports
from pipeline.settings import Settings
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

BATCH = 500  # holds leased at a time
IDLE = 0.5  # seconds between polls without due rows
FACTS_EVERY = 2_000  # ms between checks for new facts
_log = structlog.get_logger()


def run_timers(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop`. Raises AntispamError if database or broker stay unavailable."""
    db = open_database(settings)
    follower = ConfigFollower(settings, "timers")
    try:
        follower.catch_up()
        timers = Timers(db, writer(settings), follower.poll)
        steadily("timers", timers.step, stop, IDLE)
    finally:
        follower.close()
        db.close()


class Timers:
    """The timers of one process; `config` gives the configuration in force."""

    def __init__(
        self, db: Database, producer: Producer, config: Callable[[], Config], clock: Callable[[], float] = time
    ) -> None:
        self._db = db
        self._config = config
        self._clock = clock
        self._owner = uuid4().hex
        self._producer = producer
        self._facts: tuple[object, object] = (None, None)
        self._facts_epoch = 0
        self._looked_at = 0
        self._stamped_at = 0

    def step(self) -> bool:
        """Handle one batch of each kind; returns whether anything was due."""
        now = int(self._clock() * 1000)
        config = self._config()
        ports = config.ports or Ports(())
        self._meet_facts(now, config, ports)
        overdue = escalate(self._db, now, BATCH)
        refuses = config.policy is not None and config.policy.outside_review_hours == "refuse"
        overdue += close_cases(self._db, now, BATCH, refuses=refuses)
        if now - self._stamped_at >= RESTAMP_EVERY:
            self._stamped_at = now
            restamp(self._db, now, config.policy.queues if config.policy else NO_QUEUES)
        with self._db.write() as connection:
            due = holds.claim_due(connection, now, self._owner, BATCH, ports.key)
        expired: list[DueHold] = []
        again: list[DueHold] = []
        for hold in due:
            (expired if hold.ended or _expired(hold, now) else again).append(hold)
        send(self._producer, [_next_round(hold) for hold in again])
        if due:
            with self._db.write() as connection:
                gone = holds.end(connection, self._owner, due)
                override_verdicts(connection, now, [_refusal(hold, now) for hold in expired if hold in gone])
            metrics.HOLDS_ENDED.labels("screened").inc(len(again))
            metrics.HOLDS_ENDED.labels("expired").inc(len(expired))
        return bool(due) or overdue > 0

    def _meet_facts(self, now: int, config: Config, ports: Ports) -> None:
        """Make holds due after a change of policy or port registry. No hold waits for lists, dictionary or model."""
        facts = (config.policy, config.ports)
        if facts[0] is not self._facts[0] or facts[1] is not self._facts[1]:
            self._facts, self._facts_epoch = facts, config.epoch
        if now - self._looked_at >= FACTS_EVERY:
            self._looked_at = now
            with self._db.write() as connection:
                met = holds.meet_facts(connection, now, lambda s: ports.find(s) is not None, self._facts_epoch)
            if met:
                _log.info("facts_met", holds=met, epoch=self._facts_epoch)


def _expired(hold: DueHold, now: int) -> bool:
    return hold.submission.valid_until is not None and hold.submission.valid_until <= now


def _next_round(hold: DueHold) -> tuple[str, str, bytes]:
    again = msgspec.structs.replace(hold.submission, round=hold.submission.round + 1)
    topic, _ = destination(again, Ports(()))
    return topic, hold.key, encode(again)


def _refusal(hold: DueHold, now: int) -> VerdictOverride:
    rule = BuiltInRule.EXPIRED if _expired(hold, now) else BuiltInRule.UNMET
    return VerdictOverride(hold.submission, hold.submission.round + 1, Verdict.REJECT, "policy", rule)
