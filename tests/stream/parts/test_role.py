"""The role on brokers: every long message comes out once, whole, whatever is killed."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic, time
from typing import Any

import pytest

from pipeline import topics
from pipeline.events import Part, Submission, decoder, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, send, writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.stream.parts.role import run_parts
from tests.harness.in_thread import in_thread
from tests.harness.link_parts import parts_of
from tests.harness.processes.workers import settings_for, start

WAIT = 120.0  # seconds without a further submission until a test fails


class Whole:
    """The committed submissions, read as they come."""

    def __init__(self, settings: Settings) -> None:
        self.texts: Counter[tuple[str, str]] = Counter()
        self._decode = decoder(Submission)
        self._consumer = reader(settings, "test-whole")
        self._consumer.subscribe([topics.SUBMISSIONS_EXPRESS.name])

    def reach(self, wanted: int, tail: Any = lambda: "") -> None:
        """Return when so many have come; fail when nothing comes for WAIT seconds."""
        moved = monotonic()
        while self.texts.total() < wanted:
            for message in self._consumer.consume(500, 0.2):
                if message.error() is None:
                    submission = self._decode(message.value() or b"")
                    self.texts[submission.id, submission.content] += 1
                    moved = monotonic()
            assert monotonic() - moved < WAIT, f"{self.texts.total()} of {wanted}, then nothing{tail()}"

    def close(self) -> None:
        self._consumer.close()


def text_of(n: int) -> str:
    return f"【银行】第{n}条😀" + "您好" * (40 + n % 60)


def sent(numbers: range, random: Random) -> list[Part]:
    """The parts of these messages in any order, a tenth of them twice."""
    now = int(time() * 1000)
    parts = [p for n in numbers for p in parts_of(text_of(n), f"m{n}", n % 256, now, recipients=(f"138{n:08d}",))]
    parts += random.sample(parts, len(parts) // 10)
    random.shuffle(parts)
    return parts


def produce(settings: Settings, parts: list[Part]) -> None:
    """As the role `links` does: the same key for all parts of a message."""
    records = [(topics.PARTS.name, f"{p.submission.recipients[0]}/{p.reference}", encode(p)) for p in parts]
    send(writer(settings), records)


def expected(numbers: range) -> Counter[tuple[str, str]]:
    return Counter((f"m{n}.1", text_of(n)) for n in numbers)


def test_a_stop_and_a_start_lose_and_repeat_nothing(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, partitions=2)
    ensure_topics(fresh_embedded.bootstrap, settings)
    parts, whole = sent(range(40), Random(3)), Whole(settings)
    half = len(parts) // 2
    for some, wanted in ((parts[:half], 1), (parts[half:], 40)):
        stop = threading.Event()
        produce(settings, some)
        with in_thread(lambda stop=stop: run_parts(settings, stop), stop.set):  # type: ignore[misc]
            whole.reach(wanted)
    whole.close()
    assert whole.texts == expected(range(40))


def test_a_message_with_a_missing_part_goes_on_at_its_deadline(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    """The parts are a minute old already, so the deadline has come when the topic has been read to its end."""
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, partitions=2)
    ensure_topics(fresh_embedded.bootstrap, settings)
    first, *_ = parts_of("长" * 100, "a", at=int(time() * 1000) - 60_000)
    produce(settings, [first])
    whole, stop = Whole(settings), threading.Event()
    with in_thread(lambda: run_parts(settings, stop), stop.set):
        whole.reach(1)
    whole.close()
    assert whole.texts == {("a.1", "长" * 67): 1}


@pytest.mark.slow
def test_kills_lose_and_repeat_nothing(fresh_kafka: KafkaNode, tmp_path: Path) -> None:
    """SIGKILL of one of two processes, eight times, while parts come in."""
    settings = settings_for(fresh_kafka.bootstrap, tmp_path)
    ensure_topics(fresh_kafka.bootstrap, settings)
    random, whole = Random(5), Whole(settings)
    running = [start(settings, name, "serve", "parts") for name in ("p0", "p1")]
    count = 2000
    try:
        for kill in range(8):
            produce(settings, sent(range(kill * count, (kill + 1) * count), random))
            whole.reach(kill * count + random.randrange(1, count), lambda: "".join(c.tail() for c in running))
            running[kill % 2].kill()
            running[kill % 2] = start(settings, f"p{kill % 2}", "serve", "parts")
        whole.reach(8 * count, lambda: "".join(c.tail() for c in running))
    finally:
        for child in running:
            child.stop(15)
    whole.close()
    assert whole.texts == expected(range(8 * count))
