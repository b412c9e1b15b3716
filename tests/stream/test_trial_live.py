"""A version of the policy goes through its trial on a running worker: shadow, shares, force, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message

from pipeline import topics
from pipeline.decision.configuration import default_policy
from pipeline.events import PortState, Submission
from pipeline.rules.policies.lifecycle import Approval
from pipeline.rules.policies.policy import POLICY
from pipeline.rules.versions import version_of
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.sample.stress import stress_ports
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import policy_lifecycle, registry
from pipeline.stream.relay import deliver
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import Progress, prepare, produce, read_all, settings_for, worker

ANNA, BEN = User("anna", Role.POLICY_AUTHOR), User("ben", Role.POLICY_APPROVER)
PORTS = 30
STRICTER = "  - {id: all, event: submission, description: all, when: messages > 0, verdict: reject, severity: 1}\n"


@pytest.mark.broker
def test_a_running_worker_takes_a_version_through_its_trial(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path)
    config = prepare(settings, tmp_path, ports=PORTS)
    codes = [port.code for port in stress_ports(PORTS) if port.state is PortState.OPEN]
    before = version_of(default_policy())
    now = int(time() * 1000)
    db = migrated_database(settings)
    version = policy_lifecycle.draft(db, ANNA, default_policy().rstrip() + "\n" + STRICTER, "", now)
    policy_lifecycle.submit(db, ANNA, version, now)
    sent = 0

    def decided(act: Callable[[Database], int]) -> list[dict[str, Any]]:
        """The decisions on one submission of each port, once the worker has applied what `act` published."""
        nonlocal sent
        epoch = act(db)
        deliver(settings, db, now)
        while True:
            events = [
                Submission(
                    id=f"s-{sent + n}",
                    port=code,
                    recipients=("13800000001",),
                    content="您的快递已到",
                    accepted_at=now + sent + n,
                )
                for n, code in enumerate(codes)
            ]
            produce(settings, events, config)
            sent += len(events)
            progress.reach(sent, children)
            made = _decisions(settings)
            round_ = [made[event.id] for event in events]
            if all(decision["epoch"] >= epoch for decision in round_):
                return round_

    def ports_of(found: list[dict[str, Any]]) -> set[str]:
        """The ports for which the new version decided; each decision has the verdict of the other version beside."""
        for decision in found:
            [other] = [shadow for shadow in decision["shadow"] if shadow["policy"] is not None]
            assert {decision["policy"], other["policy"]} == {before, version}
            assert [s["rule"] for s in decision["reasons"]].count("all") == (decision["policy"] == version)
            assert (other["rule"] == "all") == (other["policy"] == version)
        return {decision["port"] for decision in found if decision["policy"] == version}

    asked: dict[str, Any] = {"user": BEN, "version": version, "approval": Approval.TWO, "now": now}
    with worker(settings) as children, Progress(settings) as progress:
        assert ports_of(decided(lambda db: policy_lifecycle.shadow(db, ANNA, version, now))) == set()
        shares = [
            ports_of(decided(partial(policy_lifecycle.share, **asked, percent=percent))) for percent in (20, 60, 100)
        ]
        assert set() < shares[0] < shares[1] < shares[2] == set(codes)
        forced = decided(lambda db: policy_lifecycle.approve(db, BEN, version, Approval.TWO, now))
        assert {(d["policy"], d["verdict"]) for d in forced} == {(version, "reject")}
        back = decided(lambda db: registry.rollback(db, BEN, "policy", POLICY, now))
        assert {d["policy"] for d in back} == {before}
        assert not [s for d in (*forced, *back) for s in d["shadow"] if s["policy"] is not None]
    db.close()


def _decisions(settings: Settings) -> dict[str, dict[str, Any]]:
    """The first decision of each submission, by id."""
    made: dict[str, dict[str, Any]] = {}

    def take(message: Message) -> None:
        decision = msgspec.json.decode(message.value() or b"")
        made.setdefault(decision["id"], decision)

    read_all(settings, topics.DECISIONS.name, take)
    return made
