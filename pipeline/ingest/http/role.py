"""The role `api`: the HTTP API with its broker, configuration, keys and database.

The event loop serves requests. Threads beside it poll the producer, follow the configuration, read the keys and
measure the lag. None of them queues: while a thread fails, requests are answered 503.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from time import monotonic, time

import msgspec
import structlog
import uvloop
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from starlette.types import ASGIApp

from pipeline.errors import AntispamError
from pipeline.events import Priority, Submission, decoder, encode
from pipeline.ingest.http.app import create_app
from pipeline.ingest.http.backend import Backend, Lag
from pipeline.ingest.http.consent_table import ConsentTable
from pipeline.ingest.http.intake import RECENT, Intake
from pipeline.ingest.http.keys import REFRESH, KeyRing
from pipeline.ingest.http.lag import LANES, LagMeter
from pipeline.ingest.http.submission_table import SubmissionTable
from pipeline.kafka.clients import TIMEOUT, broker_error, reader, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.destination import destination
from pipeline.kafka.replay import replay
from pipeline.kafka.security import ends
from pipeline.process import readiness
from pipeline.process.http_connections import allow_descriptors, configuration
from pipeline.process.http_server import Server
from pipeline.rules.ports import Ports
from pipeline.settings import Settings
from pipeline.store.accounts import api_keys
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

REMEMBERED_MS = 120_000  # how far back the topics are read at a start; the projector lags far less
CONFIG_EVERY = 0.2  # seconds
LAG_EVERY = 0.5
FATAL_EVERY = 0.5  # between looks whether the producer has ended
LAG_STALE = 15.0  # seconds without a lag reading until the API is no longer ready
_log = structlog.get_logger()


def run_api(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises AntispamError when the address is taken or the producer is fenced."""
    with ExitStack() as stack:
        db = open_database(settings)
        stack.callback(db.close)
        follower = ConfigFollower(settings, "api")
        stack.callback(follower.close)
        follower.catch_up()
        lag = LagMeter(settings)
        stack.callback(lag.close)
        broker = SubmissionProducer(settings, lag)
        lookup = SubmissionTable(db)
        ring = KeyRing(lambda: _active(db))

        def not_ready() -> list[str]:
            missing = {
                "configuration": follower.config.epoch == 0,
                "keys": not ring.fresh,
                "broker": monotonic() - lag.read_at > LAG_STALE,
            }
            return [name for name, absent in missing.items() if absent]

        backend = Backend(
            broker=broker,
            lookup=lookup,
            consents=ConsentTable(db),
            ports=lambda: follower.config.ports,
            not_ready=not_ready,
            clock=time,
        )
        # The producer's time limit ends first, so its own error is reported.
        intake = Intake(broker, lookup, settings.api_ack_seconds + 1)
        readiness.say("api", False, "the ids accepted before this start, read from the topics")
        _remember(settings, intake, follower.config.ports or Ports(()))
        # For our own threads, which end after the server.
        stopped = threading.Event()
        threads = [
            threading.Thread(target=_every, args=(stopped, seconds, what, work), name=f"api-{what}", daemon=True)
            for seconds, what, work in (
                (CONFIG_EVERY, "configuration", follower.poll),
                (REFRESH, "keys", ring.refresh),
                (LAG_EVERY, "lag", lag.read),
                (0.0, "producer", broker.poll),
                (LAG_EVERY, "readiness", lambda: readiness.say("api", not not_ready(), ", ".join(not_ready()))),
            )
        ]
        for thread in threads:
            thread.start()
        try:
            _serve(settings, create_app(backend, ring, intake, settings), stop, broker)
        finally:
            stopped.set()
            for thread in threads:
                thread.join(TIMEOUT)


def _serve(settings: Settings, app: ASGIApp, stop: threading.Event, producer: SubmissionProducer) -> None:
    allow_descriptors()
    config = configuration(
        app,
        settings.api_head_seconds,
        int(settings.api_ack_seconds) + 5,
        host=settings.api_host,
        port=settings.api_port,
    )

    async def serve() -> None:
        closing = asyncio.Event()
        loop = asyncio.get_running_loop()

        def watch() -> None:
            while not (stop.wait(FATAL_EVERY) or producer.fatal):
                pass
            with suppress(RuntimeError):  # the server has ended by itself, and its loop is closed
                loop.call_soon_threadsafe(closing.set)

        threading.Thread(target=watch, name="api-stop", daemon=True).start()
        await Server(config, closing).serve()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except SystemExit:  # uvicorn raises it when it cannot bind the address
        raise AntispamError(f"HTTP API: cannot listen on {settings.api_host}:{settings.api_port}") from None
    if producer.fatal:
        raise AntispamError(f"HTTP API: the producer ended: {producer.fatal}")


class SubmissionProducer:
    """The producer behind `backend.Broker`: the delivery report of a submission resolves its future."""

    def __init__(self, settings: Settings, lag: LagMeter) -> None:
        self.fatal = ""
        self._lag = lag
        # The producer's time limit is shorter than the request's: the outcome is certain when the request is answered.
        self._producer = writer(settings, None, **{"message.timeout.ms": int(settings.api_ack_seconds * 1000)})

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        """See `backend.Broker`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()

        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._lag.acknowledged(message.topic() or "", message.partition() or 0, message.offset() or 0)
            elif ends(error):
                self.fatal = error.str()
            loop.call_soon_threadsafe(_resolve, future, error is None)

        topic, key = destination(submission, ports)
        try:
            self._producer.produce(topic, encode(submission), key, on_delivery=report)
        except (BufferError, KafkaException) as error:
            _log.error("not_produced", cause=type(error).__name__)
            future.set_result(False)
        return future

    def lag(self, priority: Priority) -> Lag:
        """See `backend.Broker`."""
        return self._lag.lag(priority)

    def poll(self) -> None:
        """Serve delivery reports as they come, for up to 0.5 s."""
        self._producer.poll(0.5)


def _resolve(future: asyncio.Future[bool], acknowledged: bool) -> None:
    if not future.done():
        future.set_result(acknowledged)


def _remember(settings: Settings, intake: Intake, ports: Ports) -> None:
    """Fill the intake's memory from the topics with the submissions that any process accepted before this start."""
    consumer = reader(settings, "api-memory")
    partitions = [(topic, partition) for topic in LANES for partition in range(settings.partitions)]
    since = int(time() * 1000) - REMEMBERED_MS
    decode = decoder(Submission)
    count = 0

    def take(message: Message) -> None:
        nonlocal count
        try:
            submission = decode(message.value() or b"")
        except msgspec.DecodeError:
            return  # the processor makes it a dead letter
        intake.remember(ports.key(submission.port), submission)
        count += 1

    try:
        found = consumer.offsets_for_times([TopicPartition(t, p, since) for t, p in partitions], timeout=TIMEOUT)
        begin = {(tp.topic, tp.partition): tp.offset for tp in found if tp.error is None and tp.offset >= 0}
        replay(consumer, [p for p in partitions if p in begin], take, begin=begin)
    except KafkaException as error:
        raise broker_error(error.args[0], "HTTP API: the broker does not answer") from None
    finally:
        consumer.close()
    _log.info("remembered", submissions=min(count, RECENT))


def _every(stopped: threading.Event, seconds: float, what: str, work: Callable[[], object]) -> None:
    """Repeat `work`. A failure is logged once, until `work` succeeds again."""
    failing = False
    while not stopped.is_set():
        try:
            work()
            failing = False
        except (AntispamError, KafkaException) as error:
            if not failing:
                _log.error("api_part_failed", part=what, cause=str(error))
            failing = True
        stopped.wait(seconds)


def _active(db: Database) -> dict[str, str]:
    with db.read() as connection:
        return api_keys.active(connection)
