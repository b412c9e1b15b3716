"""The sample traffic of `antispam up --demo`: it passes the door and goes onto the topics at its own pace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import time

import msgspec

from pipeline import door
from pipeline.events import encode
from pipeline.kafka.clients import writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.destination import destination
from pipeline.sample.traffic import generate
from pipeline.settings import Settings

SAMPLES = 12_000
SECONDS = 30
SEED = 7


@contextmanager
def feeding(settings: Settings, ended: threading.Event) -> Iterator[None]:
    """Send the traffic in a thread of its own, until all is sent or `ended` is set."""
    thread = threading.Thread(target=_feed, args=(settings, ended), name="demo", daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(10)


def _feed(settings: Settings, ended: threading.Event) -> None:
    follower = ConfigFollower(settings, "demo")
    ports = follower.catch_up().ports
    follower.close()
    if ports is None:
        return
    producer = writer(settings)
    start = int(time() * 1000)
    kinds = {
        "submission": (door.SubmissionIn, door.submission),
        "record": (door.RecordIn, door.record),
        "complaint": (door.ComplaintIn, door.complaint),
    }
    for n, sample in enumerate(generate(SEED, SAMPLES, start, SECONDS)):
        ahead = sample.at / 1000 - time()
        if ahead > 0.005:
            producer.poll(0)
            if ended.wait(ahead):
                break
        line, check = kinds[sample.what]
        event = check(msgspec.convert(sample.body, line, strict=False), settings, int(time() * 1000), f"demo-{n}")  # type: ignore[operator]
        topic, key = destination(event, ports)
        producer.produce(topic, encode(event), key)
    producer.flush(10)
