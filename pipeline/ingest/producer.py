"""The producer of submissions: its delivery reports tell when one is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from pipeline import topics
from pipeline.events import Part, Priority, Submission, encode
from pipeline.ingest.broker import Lag
from pipeline.ingest.lag import PARTS_LANE, LagMeter
from pipeline.kafka.clients import writer
from pipeline.kafka.destination import destination
from pipeline.kafka.security import ends
from pipeline.rules.ports import Ports
from pipeline.settings import Settings

Stored = Callable[[str, int, int], None]  # topic, partition, offset
_log = structlog.get_logger()


class SubmissionProducer:
    """The producer behind `broker.Broker`: the delivery report of a submission resolves its future."""

    def __init__(self, settings: Settings, lag: LagMeter, parts: LagMeter | None = None) -> None:
        """`parts` measures the lag of parts, where parts are sent."""
        self._parts = parts
        self.fatal = ""
        self._lag = lag
        # The producer's time limit is shorter than the request's: the outcome is certain when the request is answered.
        self._producer = writer(settings, None, **{"message.timeout.ms": int(settings.api_ack_seconds * 1000)})

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        """See `Broker`."""
        return self._send(*destination(submission, ports), encode(submission), self._lag.acknowledged)

    def parts_lag(self) -> Lag:
        """See `PartsBroker`."""
        return Lag() if self._parts is None else self._parts.lag(PARTS_LANE)

    def send_part(self, part: Part) -> asyncio.Future[bool]:
        """See `PartsBroker`. The key holds the recipients, so that the parts of one message have one partition."""
        submission = part.submission
        recipients = " ".join(sorted(submission.recipients))
        key = f"{submission.port}/{part.reference}/{part.width}/{part.total}/{recipients}"
        return self._send(
            topics.PARTS.name, key, encode(part), None if self._parts is None else self._parts.acknowledged
        )

    def _send(self, topic: str, key: str, value: bytes, stored: Stored | None) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()

        def report(error: KafkaError | None, message: Message) -> None:
            if error is None and stored is not None:
                stored(message.topic() or "", message.partition() or 0, message.offset() or 0)
            elif error is not None and ends(error):
                self.fatal = error.str()
            loop.call_soon_threadsafe(_resolve, future, error is None)

        try:
            self._producer.produce(topic, value, key, on_delivery=report)
        except (BufferError, KafkaException) as error:
            _log.error("not_produced", cause=type(error).__name__)
            future.set_result(False)
        return future

    def lag(self, priority: Priority) -> Lag:
        """See `Broker`."""
        return self._lag.lag(priority)

    def poll(self) -> None:
        """Serve delivery reports as they come, for up to 0.5 s."""
        self._producer.poll(0.5)


def _resolve(future: asyncio.Future[bool], acknowledged: bool) -> None:
    if not future.done():
        future.set_result(acknowledged)
