"""What cannot be decoded or screened is kept, its neighbours are decided, and retry brings it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException
from typer.testing import CliRunner

from pipeline import topics
from pipeline.cli import app
from pipeline.commands import context
from pipeline.errors import AntispamError
from pipeline.events import DeadLetter, Outbound, RecipientException, Submission, Verdict, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import MAX_RECORD, writer
from pipeline.kafka.dead_letters import dead_letters, letter, retry
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.models.classifier import Classified, Classifier
from pipeline.process.backoff import Backoff
from pipeline.rules.built_in import BuiltInRule
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.stream import poll_loop, transactions
from pipeline.stream.processor import Processor
from pipeline.stream.transactions import RolledBackError
from tests.harness.in_thread import in_thread
from tests.harness.processes.workers import decisions, prepare, produce, settings_for, submissions

MARKER = "这条会让分类器出错"


@contextmanager
def processing(settings: Settings) -> Iterator[Processor]:
    """The processor's own loop in a thread of this process, so that a fault can be planted in it."""
    processor = Processor(SUBMISSIONS, settings)
    with in_thread(processor.run, processor.finish):
        yield processor


def until_decided(settings: Settings, names: set[str], deadline: float = 60) -> dict[str, dict[str, object]]:
    end = monotonic() + deadline
    while True:
        found = {name: answers[0] for (name, _), answers in decisions(settings).items()}
        if names <= found.keys():
            return found
        assert monotonic() < end, f"undecided: {names - found.keys()}"


def test_neighbours_are_decided_and_retry_brings_it_back(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(broker, tmp_path, worker_id=f"dead-{tmp_path.name}"[:60])
    config = prepare(settings, tmp_path)
    before, bad, after = (
        msgspec.structs.replace(event, id=f"{tmp_path.name}-{name}", accepted_at=event.accepted_at)
        for event, name in zip(submissions(settings, 3), ("before", "bad", "after"), strict=True)
    )
    bad = msgspec.structs.replace(bad, content=bad.content + MARKER, port=before.port, priority=before.priority)
    after = msgspec.structs.replace(after, port=before.port, priority=before.priority)
    honest = Classifier.classify

    def faulty(self: Classifier, texts: Sequence[str], *read: Any) -> list[Classified]:
        if any(MARKER in text for text in texts):
            raise FloatingPointError("planted")
        return honest(self, texts, *read)

    already = set(dead_letters(settings))
    with monkeypatch.context() as planted, processing(settings):
        planted.setattr(Classifier, "classify", faulty)
        produce(settings, [before, bad, after], config)
        producer = writer(settings)
        producer.produce(topics.SUBMISSIONS_EXPRESS.name, b'{"id": "half', "10650000000", partition=0)
        producer.flush(10)
        until_decided(settings, {before.id, after.id})
        end = monotonic() + 60
        while len(letters := {n: x for n, x in dead_letters(settings).items() if n not in already}) < 2:
            assert monotonic() < end
    assert (bad.id, 0) not in decisions(settings)
    causes = sorted(letter.cause for letter in letters.values())
    assert causes[0].startswith("FloatingPointError")
    assert causes[1].startswith("not a Submission")
    assert not any(bad.content in cause for cause in causes)
    assert any(bad.content in (letter.value or b"").decode("utf-8", "replace") for letter in letters.values())

    with processing(settings):
        assert retry(settings, letters) == 2
        until_decided(settings, {bad.id})
        end = monotonic() + 60
        while not (again := {n: x for n, x in dead_letters(settings).items() if n not in already}):
            assert monotonic() < end
    assert [letter.attempts for letter in again.values()] == [2]  # the half record, undecodable as before
    with pytest.raises(AntispamError, match="no dead letter 'nowhere/0/1'"):
        retry(settings, ["nowhere/0/1"])


def test_what_would_be_too_large_for_its_topic_is_a_dead_letter_and_holds_nothing_up(
    fresh_embedded: EmbeddedBroker, tmp_path: Path
) -> None:
    """Past the door's bounds: a release names every recipient twice."""
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, worker_id=f"large-{tmp_path.name}"[:60])
    config = prepare(settings, tmp_path)
    code, text = next((s.port, s.content) for s in submissions(settings, 500) if s.port.endswith("19"))
    large, after = (
        Submission(
            id=f"{tmp_path.name}-{name}",
            port=code,
            recipients=tuple(f"{n:021d}" for n in range(count)),
            content=text,
            accepted_at=int(time() * 1000),
        )
        for name, count in (("large", 90_000), ("after", 1))
    )
    already = set(dead_letters(settings))
    with processing(settings):
        produce(settings, [large, after], config)
        until_decided(settings, {after.id})
    [found] = [x for n, x in dead_letters(settings).items() if n not in already]
    assert found.cause.startswith("its Outbound has ")
    assert found.value == encode(large)
    assert (large.id, 0) not in decisions(settings)


def test_a_fault_of_producing_that_stays_ends_the_process(
    fresh_embedded: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, worker_id=f"stays-{tmp_path.name}"[:60])
    config = prepare(settings, tmp_path)

    def refused(*_: object) -> None:
        raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))

    monkeypatch.setattr(transactions, "produce", refused)
    monkeypatch.setattr(poll_loop, "RECOVERY", Backoff(first=0.01, longest=0.01, tries=3))
    produce(settings, submissions(settings, 1), config)
    with pytest.raises(RolledBackError, match="too large"):
        Processor(SUBMISSIONS, settings).run()


def test_the_largest_submission_of_the_door_fits_whatever_follows_from_it() -> None:
    most = Settings.model_fields["max_recipients"].metadata[1].le
    longest = Settings.model_fields["max_content"].metadata[1].le
    numbers = tuple(f"{n:021d}" for n in range(most))
    text = "\0" * longest  # six bytes each as JSON
    event = Submission(id="i" * 128, port="1" * 21, recipients=numbers, content=text, accepted_at=0)
    outbound = Outbound(submission=event, recipients=numbers, round=9, decided_at=0)
    exceptions = encode(
        [
            RecipientException(recipient=n, verdict=Verdict.REJECT, rule=BuiltInRule.RECIPIENT_UNSUBSCRIBED)
            for n in numbers
        ]
    )
    assert len(encode(outbound)) < MAX_RECORD
    assert len(exceptions) < MAX_RECORD - 100_000  # the rest of its decision
    name, value = letter("submissions.bulk", 511, 2**60, "cause", b"1" * 21, encode(event), 0)
    assert msgspec.json.decode(value, type=DeadLetter).value == encode(event)
    name, value = letter("submissions.bulk", 511, 2**60, "cause", b"1" * 21, encode(outbound) * 2, 0)
    assert len(name) + len(value) < MAX_RECORD
    assert msgspec.json.decode(value, type=DeadLetter).value is None


def test_what_is_no_letter_hides_no_letters(
    fresh_embedded: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, partitions=1)
    ensure_topics(fresh_embedded.bootstrap, settings)
    name, value = letter("records", 0, 7, "no record: [/x]\x1b[2J", None, b"{", 1)
    bad = [(b"k", b"{"), (b"\xff", value), (b"\xff", None)]
    producer = writer(settings)
    for key, record in (*bad, (name, value)):
        producer.produce(topics.DEAD_LETTERS.name, record, key, 0)
    assert producer.flush(30) == 0
    assert list(dead_letters(settings)) == ["records/0/7"]
    monkeypatch.setattr(context, "settings", lambda: settings)
    shown = CliRunner().invoke(app, ["dead-letters", "list"])
    assert shown.exit_code == 0, shown.output
    assert "[/x]" in shown.output
    assert "\x1b" not in shown.output
