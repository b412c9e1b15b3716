"""What is away is waited for, with an end; what is wrong is told at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipeline.actions.status import role as callbacks
from pipeline.errors import AntispamError, UnavailableError
from pipeline.kafka import steady
from pipeline.kafka.clients import COMMIT_TRIES, broker_error, commit, is_away
from pipeline.kafka.steady import patiently, steadily
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.process import readiness
from pipeline.process.backoff import Backoff
from pipeline.stream import poll_loop, relay
from pipeline.stream.decider import Decider
from tests.harness.processes.workers import settings_for

MOVING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError.NOT_LEADER_FOR_PARTITION,
)
TRIES = 4
AT_ONCE = Backoff(first=0.0, longest=0.0, tries=TRIES)
WRONG = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._AUTHENTICATION)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_parts", {})
    monkeypatch.setattr(readiness, "_waits", {})
    monkeypatch.setattr(steady, "BACKOFF", AT_ONCE)


def failing(errors: list[Exception]) -> Callable[[], bool]:
    def step() -> bool:
        if errors:
            raise errors.pop(0)
        return True

    return step


@pytest.mark.parametrize("code", MOVING)
def test_a_broker_that_is_away_or_moving_is_waited_for(code: int) -> None:
    stop = threading.Event()
    errors: list[Exception] = [KafkaException(KafkaError(code)), UnavailableError("the database")]
    assert patiently("part", failing(errors), stop) is True
    assert errors == []


@pytest.mark.parametrize("error", [AntispamError("no such port"), *(KafkaException(KafkaError(c)) for c in WRONG)])
def test_what_is_wrong_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        patiently("part", failing([error]), threading.Event())


def test_an_outage_without_end_is_given_up_and_counted() -> None:
    tries: list[int] = []

    def away() -> None:
        tries.append(1)
        raise UnavailableError("operational database: connection refused")

    with pytest.raises(AntispamError, match=f"part: given up after {TRIES} tries: operational database") as told:
        patiently("part", away, threading.Event())
    assert len(tries) == TRIES
    assert not isinstance(told.value, UnavailableError)  # nobody around it begins anew


def test_an_outage_after_a_long_life_is_the_first_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "LIVED", -1.0)
    assert patiently("part", failing([UnavailableError("the database")] * (2 * TRIES)), threading.Event()) is True


@pytest.mark.long
def test_the_patience_of_a_role_is_its_own_and_not_that_of_its_process_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that a role gives up with must not be one that its process waits for (serve.py)."""

    def away(*_: object) -> Any:
        raise UnavailableError("planted")

    monkeypatch.setattr(relay, "ensure_topics", away)
    monkeypatch.setattr(callbacks, "claim", away)
    monkeypatch.setattr(callbacks, "DATABASE", replace(callbacks.DATABASE, tries=1))
    settings = settings_for("127.0.0.1:1", tmp_path)
    for role in (relay.run_relay, callbacks.run_callbacks):
        with pytest.raises(AntispamError, match=r"given up after .*planted") as told:
            role(settings, threading.Event())
        assert not isinstance(told.value, UnavailableError)


def test_a_worker_is_ready_again_once_it_has_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_loop, "RECOVERY", AT_ONCE)
    settings = settings_for("127.0.0.1:1", tmp_path)
    worker = poll_loop.PollLoop(SUBMISSIONS, settings, Decider(SUBMISSIONS, settings, time), threading.Event())
    tries: list[int] = []

    def rewind() -> None:
        tries.append(1)
        readiness.say("submissions", False, "counters: 0 of 8 partitions of the changelog read")
        if len(tries) < 3:
            raise UnavailableError("the broker")

    monkeypatch.setattr(worker, "_rewind", rewind)
    readiness.say("submissions", True)
    worker._recover()
    worker.close()
    assert readiness.states() == {"submissions": True}


def test_a_part_says_what_it_waits_for_until_it_works() -> None:
    stop = threading.Event()
    seen: list[dict[str, Any]] = []
    errors: list[Exception] = [UnavailableError("Kafka at k:9092: no answer")]

    def step() -> bool:
        seen.append({"ready": readiness.states().get("part"), "waits_for": readiness.waits().get("part")})
        if len(seen) == 3:
            stop.set()
        return failing(errors)()

    steadily("part", step, stop, 0)
    assert seen == [
        {"ready": None, "waits_for": None},
        {"ready": False, "waits_for": "Kafka at k:9092: no answer"},
        {"ready": True, "waits_for": None},
    ]


def test_waiting_ends_when_the_process_is_told_to_end() -> None:
    stop = threading.Event()

    def away() -> None:
        stop.set()
        raise UnavailableError("the broker")

    assert patiently("part", away, stop) is None


def test_a_fault_of_the_broker_is_an_outage_or_a_mistake() -> None:
    assert isinstance(broker_error(KafkaError(KafkaError.NOT_COORDINATOR), "commit"), UnavailableError)
    assert not isinstance(broker_error(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), "send"), UnavailableError)
    assert not is_away(KafkaError(KafkaError.NOT_COORDINATOR, "planted", fatal=True))


class _Producer:
    """Commits fail by these errors, one after the other."""

    def __init__(self, *errors: KafkaError) -> None:
        self.errors, self.commits = list(errors), 0

    def commit_transaction(self, _: float) -> None:
        self.commits += 1
        if self.errors:
            raise KafkaException(self.errors.pop(0))


def test_a_commit_is_tried_again_while_that_helps_and_no_longer() -> None:
    moving = [KafkaError(KafkaError.NOT_COORDINATOR, "planted", retriable=True) for _ in range(20)]
    producer: Any = _Producer(*moving[:3])
    commit(producer)
    assert producer.commits == 4
    producer = _Producer(*moving)
    with pytest.raises(KafkaException):
        commit(producer)
    assert producer.commits == COMMIT_TRIES
    producer = _Producer(KafkaError(KafkaError.INVALID_TXN_STATE))
    with pytest.raises(KafkaException):
        commit(producer)
    assert producer.commits == 1
