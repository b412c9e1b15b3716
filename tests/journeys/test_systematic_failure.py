"""A fault of a release stops those who read, instead of making dead letters of all traffic."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import topics
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.lane import Lane
from pipeline.events import Priority
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import writer
from pipeline.kafka.dead_letter_limit import TooManyDeadLettersError
from pipeline.kafka.dead_letters import dead_letters
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.lake.sink import Sink
from pipeline.models.classifier import Classified, Classifier
from pipeline.settings import Settings
from pipeline.stream.campaign_stage import CampaignStage
from pipeline.stream.processor import Processor
from pipeline.stream.projector import Projector, projections
from tests.harness.processes.workers import Progress, decisions, prepare, produce, settings_for, submissions, worker

EVENTS = 1000


@pytest.mark.slow
def test_a_worker_that_can_screen_nothing_stops_and_what_came_is_decided_by_a_better_one(
    fresh_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(fresh_broker, tmp_path)
    config = prepare(settings, tmp_path)
    events = submissions(settings, EVENTS)

    def faulty(_: Classifier, *__: object) -> list[Classified]:
        raise FloatingPointError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(Classifier, "classify", faulty)
        produce(settings, events, config)
        with pytest.raises(TooManyDeadLettersError, match="FloatingPointError"):
            Processor(SUBMISSIONS, settings).run()
    assert dead_letters(settings) == {}
    assert decisions(settings) == {}
    with worker(settings) as running, Progress(settings) as progress:
        progress.reach(EVENTS, running)
    assert {name for name, _ in decisions(settings)} == {event.id for event in events}
    assert dead_letters(settings) == {}


@pytest.fixture
def deployed(fresh_embedded: Any, tmp_path: Path) -> Settings:
    """Topics that hold nothing but bytes of no kind."""
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, partitions=1)
    ensure_topics(fresh_embedded.bootstrap, settings)
    producer = writer(settings)
    for topic in (topics.DECISIONS, topics.SUBMISSIONS_EXPRESS, topics.CASES):
        for _ in range(60):
            producer.produce(topic.name, b"{", partition=0)
    assert producer.flush(30) == 0
    return settings


def until_refused(step: Any) -> None:
    """Steps until most of a poll was undecodable; the first polls may be empty."""

    def steps() -> None:
        for _ in range(300):
            step()

    with pytest.raises(TooManyDeadLettersError):
        steps()


@pytest.mark.parametrize("name", ["statuses", "cases"])
def test_a_projector_that_understands_nothing_moves_no_position(deployed: Settings, name: str) -> None:
    projector = Projector(deployed, name, projections(deployed)[name])
    until_refused(projector.step)
    assert set(projector._offsets.values()) == {None}
    projector.close()


def test_a_campaign_stage_that_understands_nothing_stops(deployed: Settings) -> None:
    stage = CampaignStage(deployed)
    stage.start()
    until_refused(stage.step)
    stage.close()


def test_a_sink_that_understands_nothing_writes_nothing(deployed: Settings) -> None:
    sink = Sink(deployed.model_copy(update={"lake_flush": 0.1}))
    until_refused(lambda: sink.step(0.1))
    assert sink.counts.commits == 0
    sink.close()


def test_a_lane_whose_releases_all_lack_their_proof_sets_none_of_them_aside(deployed: Settings) -> None:
    channel = Channel(name="default", host="127.0.0.1", port=1, account="900001")
    lane = Lane(deployed, channel, Priority.EXPRESS, writer(deployed), lambda _: None)
    record: Any = SimpleNamespace(
        value=lambda: b"{", key=lambda: b"1069", partition=lambda: 0, offset=lambda: 7, error=lambda: None
    )
    with pytest.raises(TooManyDeadLettersError, match=r"60 of the last 60 records of outbound\.default\.express"):
        lane._taken([record] * 60)
    assert dead_letters(deployed) == {}
    lane.close()
