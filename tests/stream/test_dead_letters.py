"""What cannot be decoded or screened is kept, its neighbours are decided, and retry brings it back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import msgspec
import pytest
from fault_harness import decisions, prepare, produce, settings_for, submissions

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.models.classifier import Classified, Classifier
from pipeline.settings import Settings
from pipeline.stream.clients import writer
from pipeline.stream.dead_letters import dead_letters, retry
from pipeline.stream.processor import SUBMISSIONS, Processor

MARKER = "这条会让分类器出错"


@contextmanager
def processing(settings: Settings) -> Iterator[Processor]:
    """The processor's own loop in a thread of this process, so that a fault can be planted in it."""
    processor = Processor(SUBMISSIONS, settings)
    faults: list[Exception] = []

    def run() -> None:
        try:
            processor.run()
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield processor
    finally:
        processor.finish()
        thread.join(60)
        assert not faults
        assert not thread.is_alive()


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

    def faulty(self: Classifier, texts: Sequence[str]) -> list[Classified]:
        if any(MARKER in text for text in texts):
            raise FloatingPointError("planted")
        return honest(self, texts)

    already = set(dead_letters(settings))
    with monkeypatch.context() as planted, processing(settings):
        planted.setattr(Classifier, "classify", faulty)
        produce(settings, [before, bad, after], config)
        producer = writer(settings)
        producer.produce(topics.SUBMISSIONS_EXPRESS.name, b'{"id": "half', "10650000000", partition=0)
        producer.flush(10)
        until_decided(settings, {before.id, after.id})
        end = monotonic() + 30
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
        end = monotonic() + 30
        while not (again := {n: x for n, x in dead_letters(settings).items() if n not in already}):
            assert monotonic() < end
    assert [letter.attempts for letter in again.values()] == [2]  # the half record, undecodable as before
    with pytest.raises(AntispamError, match="no dead letter 'nowhere/0/1'"):
        retry(settings, ["nowhere/0/1"])
