"""The role `api`: the HTTP API with its broker, configuration, keys and database.

The event loop serves requests. Threads beside it poll the producer, follow the configuration, read the keys and
measure the lag. None of them queues: while a thread fails, requests are answered 503.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from time import monotonic, time

import msgspec
import structlog
from confluent_kafka import KafkaException, Message, TopicPartition
from starlette.types import ASGIApp

from pipeline.errors import AntispamError
from pipeline.events import Submission, decoder
from pipeline.ingest.beside import beside
from pipeline.ingest.http.app import create_app
from pipeline.ingest.http.appeals import AppealTable
from pipeline.ingest.http.backend import Backend
from pipeline.ingest.http.intake import RECENT, Intake
from pipeline.ingest.http.keys import REFRESH, KeyRing
from pipeline.ingest.http.tables.complaint_table import ComplaintTable
from pipeline.ingest.http.tables.consent_table import ConsentTable
from pipeline.ingest.http.tables.reply_table import ReplyTable
from pipeline.ingest.http.tables.submission_table import SubmissionTable
from pipeline.ingest.lag import LANES, LagMeter
from pipeline.ingest.producer import SubmissionProducer
from pipeline.ingest.serving import serve
from pipeline.kafka.clients import TIMEOUT, broker_error, reader
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.replay import replay
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
            replies=ReplyTable(db),
            complaints=ComplaintTable(db, settings.complaint_shapes),
            appeals=AppealTable(db),
            ports=lambda: follower.config.ports,
            not_ready=not_ready,
            clock=time,
        )
        # The producer's time limit ends first, so its own error is reported.
        intake = Intake(broker, lookup, settings.api_ack_seconds + 1)
        readiness.say("api", False, "the ids accepted before this start, read from the topics")
        _remember(settings, intake, follower.config.ports or Ports(()))
        works = (
            (CONFIG_EVERY, "configuration", follower.poll),
            (REFRESH, "keys", ring.refresh),
            (LAG_EVERY, "lag", lag.read),
            (0.0, "producer", broker.poll),
            (LAG_EVERY, "readiness", lambda: readiness.say("api", not not_ready(), ", ".join(not_ready()))),
        )
        with beside("api", works):
            _serve(settings, create_app(backend, ring, intake, settings), stop, broker)


def _serve(settings: Settings, app: ASGIApp, stop: threading.Event, producer: SubmissionProducer) -> None:
    allow_descriptors()
    config = configuration(
        app,
        settings.api_head_seconds,
        int(settings.api_ack_seconds) + 5,
        host=settings.api_host,
        port=settings.api_port,
    )

    try:
        serve("HTTP API", lambda closing: Server(config, closing).serve(), stop, producer)
    except SystemExit:  # uvicorn raises it when it cannot bind the address
        raise AntispamError(f"HTTP API: cannot listen on {settings.api_host}:{settings.api_port}") from None


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


def _active(db: Database) -> dict[str, str]:
    with db.read() as connection:
        return api_keys.active(connection)
