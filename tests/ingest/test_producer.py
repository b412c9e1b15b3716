"""A submission that no broker stores in time is told so; what a broker stores is shown in http and links."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pipeline.events import Priority, Submission
from pipeline.ingest.broker import Lag
from pipeline.ingest.lag import LagMeter
from pipeline.ingest.producer import SubmissionProducer
from pipeline.rules.ports import Ports
from pipeline.run.child import free_port
from pipeline.settings import Settings


class Meter(LagMeter):
    """Without consumers."""

    def __init__(self) -> None:
        self.known: list[tuple[str, int, int]] = []

    def acknowledged(self, topic: str, partition: int, offset: int) -> None:
        self.known.append((topic, partition, offset))

    def lag(self, lane: str) -> Lag:
        return Lag(7)


@pytest.mark.long
def test_without_a_broker_the_answer_is_no_and_comes() -> None:
    meter = Meter()
    settings = Settings(_env_file=None, kafka=f"127.0.0.1:{free_port()}", api_ack_seconds=0.2)
    producer = SubmissionProducer(settings, meter)
    submission = Submission(id="a", port="10690001", recipients=("13800000001",), content="您好", accepted_at=1)
    stopped = threading.Event()

    def poll() -> None:
        while not stopped.is_set():
            producer.poll()

    async def send() -> bool:
        return await producer.send(submission, Ports(()))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        assert asyncio.run(send()) is False
    finally:
        stopped.set()
        thread.join()
    assert (meter.known, producer.fatal) == ([], "")
    assert producer.lag(Priority.BULK) == Lag(7)
