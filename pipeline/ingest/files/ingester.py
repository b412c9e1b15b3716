"""`antispam ingest`: writes files onto the topics, each file exactly once, wherever the process is killed.

The progress of a file (how many of its lines are done) is written in the same transaction as the lines. The file's
hash is the key of the progress and the transactional id. So a restart continues after the last committed line, and
if two processes take the same file, the broker fences one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, Producer

from pipeline import door, metrics, topics
from pipeline.actions.status.statuses import digests
from pipeline.errors import AntispamError
from pipeline.events import IngestProgress, Record, Submission, decoder, encode
from pipeline.file_exchange import CsvForm
from pipeline.files.columns import Table
from pipeline.files.rejected import Rejected
from pipeline.files.results import Result, Results
from pipeline.files.source_file import SourceFile, open_source
from pipeline.ingest.files.line_kinds import KINDS, Event, LineKind
from pipeline.kafka.clients import TIMEOUT, broker_error, commit, produce, reader, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.destination import destination
from pipeline.kafka.replay import replay
from pipeline.rules.ports import Ports
from pipeline.settings import Settings
from pipeline.store.database import Database
from pipeline.store.digest import digest
from pipeline.store.migrate import open_database

CHUNK = 5000  # lines in one transaction
TOGETHER = 200  # lines whose ids are looked up together
USED = "id: used before with another sender, content or recipients"
FOREIGN = "port: not the port of this folder, nor an extension of it"
_ABORT_TIMEOUT = 5.0  # seconds; after that the broker itself soon aborts the transaction
_decode_mark = decoder(IngestProgress)
_log = structlog.get_logger()


class Duplicate(NamedTuple):
    """A submission whose id was accepted before with the same sender, content and recipients."""

    id: str


@dataclass(slots=True)
class Ingested:
    """The result of one file. `skipped` is the number of lines done by an earlier run, `before` their counts.

    `duplicates` counts submissions whose id had been accepted before, through any input path.
    """

    path: Path
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    skipped: int = 0
    before: IngestProgress | None = None


def ingest(
    what: str,
    paths: Sequence[Path],
    settings: Settings,
    report: Callable[[Path, int, int], None] = lambda *_: None,
    form: CsvForm | None = None,
) -> list[Ingested]:
    """Produce the files' lines in order; bad lines go to `<file>.rejected.jsonl`.

    `form` is how csv files are written. `report(path, bytes read, size)` is called after each chunk.
    Raises AntispamError when a file cannot be read, when another process ingests the same file, or when the broker
    does not answer.
    """
    sources = [open_source(path) for path in paths]
    ingester = Ingester(what, settings, form)
    try:
        return [ingester.ingest(source, report) for source in sources]
    finally:
        ingester.close()


class Ingester:
    """Writes files of one kind onto the topics, one after the other."""

    def __init__(self, what: str, settings: Settings, form: CsvForm | None = None, port: str | None = None) -> None:
        """`what` is a key of KINDS and the topic named in the progress records; `form` is how csv files are written.

        If `port` is given, submissions of other ports are refused.
        """
        self._what = what
        self._port = port
        self._kind = KINDS[what]
        self._wanted = [self._kind.columns(settings, form)]
        self._settings = settings
        self._progress = _Progress(settings)
        self._db: Database | None = None  # opened for the first id that a line gives
        self._ports: Ports | None = Ports(()) if what == "records" else None  # records have no port

    def ingest(
        self,
        source: SourceFile,
        report: Callable[[Path, int, int], None] = lambda *_: None,
        results: Path | None = None,
    ) -> Ingested:
        """Produce the lines of one file. Arguments and errors are those of the function `ingest`.

        If `results` is given, the result of each line is there before the line is committed.
        """
        try:
            if self._ports is None:
                self._ports = _ports(self._settings)
            return self._ingest(source, self._ports, report, results)
        except KafkaException as error:
            raise broker_error(error.args[0], str(source.path), "; run the command again to go on") from None

    def committed(self, digest: str) -> int:
        """The number of the last committed line of the file with this digest; 0 if none is. Raises AntispamError."""
        try:
            mark = self._progress.catch_up().get((digest, self._what))
        except KafkaException as error:
            raise broker_error(error.args[0], f"topic {topics.INGEST.name}") from None
        return mark.lines if mark is not None else 0

    def forget_ports(self) -> None:
        """Read the registry again before the next file."""
        self._ports = None

    def close(self) -> None:
        """Close the consumer of progress records."""
        self._progress.close()
        if self._db is not None:
            self._db.close()

    def _ingest(
        self, source: SourceFile, ports: Ports, report: Callable[[Path, int, int], None], results_path: Path | None
    ) -> Ingested:
        settings = self._settings
        table = source.table(self._wanted)
        now = int(time() * 1000)
        key = (source.digest, self._what)
        fresh = IngestProgress(
            file=source.digest, topic=self._what, lines=0, accepted=0, rejected=0, done=False, at=now
        )
        before = self._progress.catch_up().get(key, fresh)
        if not before.done:
            producer = writer(settings, f"antispam-ingest-{self._what}-{source.digest[:32]}")
            producer.init_transactions(TIMEOUT)
            # From here on no other process ingests this file. Until now another one may have: read the progress again.
            before = self._progress.catch_up().get(key, fresh)
        done = before.lines
        result = Ingested(source.path, skipped=done, before=before)
        if before.done:
            return result
        last, pending = done, 0
        rejected_path = source.path.with_name(source.path.name + ".rejected.jsonl")
        with ExitStack() as stack:
            rejected = stack.enter_context(Rejected(rejected_path, keep_lines=done))
            results = None if results_path is None else stack.enter_context(Results(results_path, keep_lines=done))
            stack.enter_context(_aborted_on_error(producer))
            producer.begin_transaction()
            for number, value, event, position in self._events(source, table, ports, done):
                if isinstance(event, Duplicate):
                    result.duplicates += 1
                elif isinstance(event, str):
                    rejected.add(number, event, value)
                    result.rejected += 1
                else:
                    _send(producer, event, ports)
                    result.accepted += 1
                if results is not None:
                    _note(results, number, event)
                last, pending = number, pending + 1
                if pending == CHUNK:
                    _flush(rejected, results)
                    _commit(producer, before, result, last, False, now)
                    report(source.path, position, source.size)
                    producer.begin_transaction()
                    pending, now = 0, int(time() * 1000)
            _flush(rejected, results)
            _commit(producer, before, result, last, True, now)
        report(source.path, source.size, source.size)
        return result

    def _events(
        self, source: SourceFile, table: Table | None, ports: Ports, done: int
    ) -> Iterator[tuple[int, Any, Event | Duplicate | str, int]]:
        """(line, value, event or fault, position) for each line after the done lines."""
        seen: set[int] = set()  # ids given in the file; our own ids contain the line number and need no check
        rows = source.rows(table)
        while part := list(islice(rows, TOGETHER)):
            now = int(time() * 1000)
            parsed: list[tuple[int, Any, Event | str, int]] = []
            given: list[Submission] = []
            for number, value, fault, position in part:
                own = f"{source.digest[:16]}-{number}"
                event = fault or _parse(self._kind, value, table, self._settings, now, own)
                if isinstance(event, Submission):
                    foreign = self._port is not None and ports.key(event.port) != self._port
                    event = FOREIGN if foreign else ports.signed(event)
                if isinstance(event, Submission | Record) and event.id != own:
                    if _seen(event, ports, seen):
                        event = "id: used before in this file"
                    elif isinstance(event, Submission):
                        given.append(event)
                # Lines done by an earlier run are read again only for their ids.
                if number > done:
                    parsed.append((number, value, event, position))
            known = self._known(given, ports) if parsed else {}
            for number, value, event, position in parsed:
                before = known.get((ports.key(event.port), event.id)) if isinstance(event, Submission) else None
                if before is None:
                    yield number, value, event, position
                elif isinstance(event, Submission):
                    same = before == digest(event)
                    yield number, value, Duplicate(event.id) if same else USED, position

    def _known(self, given: Sequence[Submission], ports: Ports) -> dict[tuple[str, str], str]:
        """Digests by (port, id) of the submissions accepted before. Extensions of a port count as that port."""
        if not given:
            return {}
        if self._db is None:
            self._db = open_database(self._settings)
        with self._db.read() as connection:
            found = digests(connection, [submission.id for submission in given])
        return {(ports.key(sender), ident): mark for (sender, ident), mark in found.items()}


def _parse(kind: LineKind, value: Any, table: Table | None, settings: Settings, now: int, own: str) -> Event | str:
    """The event of a line, or its fault; `own` is the id of a line that gives none."""
    try:
        return kind.check(kind.read(value, table), settings, now, own)
    except (msgspec.ValidationError, AntispamError) as error:
        return door.fault(error)


def _seen(event: Submission | Record, ports: Ports, seen: set[int]) -> bool:
    """True if the file had this id before: an id must never be decided twice.

    Extensions of a port count as that port, so an id is unique among all of them.
    """
    key = hash((destination(event, ports)[1], event.id))
    if key in seen:
        return True
    seen.add(key)
    return False


def _send(producer: Producer, event: Event, ports: Ports) -> None:
    topic, key = destination(event, ports)
    produce(producer, topic, key, encode(event))


def _note(results: Results, number: int, event: Event | Duplicate | str) -> None:
    if isinstance(event, str):
        results.add(number, "", Result.REFUSED, event)
    else:
        results.add(number, event.id, Result.DUPLICATE if isinstance(event, Duplicate) else Result.ACCEPTED)


def _flush(rejected: Rejected, results: Results | None) -> None:
    rejected.flush()
    if results is not None:
        results.flush()


def _commit(producer: Producer, before: IngestProgress, result: Ingested, lines: int, done: bool, now: int) -> None:
    mark = msgspec.structs.replace(
        before,
        lines=lines,
        done=done,
        at=now,
        accepted=before.accepted + result.accepted,
        rejected=before.rejected + result.rejected,
    )
    producer.produce(topics.INGEST.name, encode(mark), f"{mark.topic}/{mark.file}", 0)
    commit(producer)


@contextmanager
def _aborted_on_error(producer: Producer) -> Iterator[None]:
    """Abort on error. An open transaction (after a truncated file, Ctrl-C) would block consumers for 15 s."""
    try:
        yield
    except BaseException:
        with suppress(KafkaException):  # the user must see the first error, not this one
            producer.abort_transaction(_ABORT_TIMEOUT)
        raise


class _Progress:
    """The progress of each file. The topic grows without end, so each read continues where the last one ended."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = reader(settings, "ingest-progress")
        self._marks: dict[tuple[str, str], IngestProgress] = {}
        self._next = OFFSET_BEGINNING

    def catch_up(self) -> dict[tuple[str, str], IngestProgress]:
        """The progress records by (file, topic), up to the end of the topic."""
        replay(
            self._consumer,
            [(topics.INGEST.name, 0)],
            self._take,
            begin={(topics.INGEST.name, 0): self._next},
        )
        return self._marks

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Message) -> None:
        self._next = (message.offset() or 0) + 1
        try:
            mark = _decode_mark(message.value() or b"")
        except msgspec.DecodeError as error:  # a foreign record must not stop all ingestion
            metrics.UNDECODABLE.labels(topics.INGEST.name).inc()
            _log.error("undecodable", topic=topics.INGEST.name, offset=message.offset(), cause=str(error))
            return
        self._marks[mark.file, mark.topic] = mark


def _ports(settings: Settings) -> Ports:
    """The registry in force: submissions are keyed by registered port, whatever their extension."""
    follower = ConfigFollower(settings, "ingest")
    try:
        return follower.catch_up().ports or Ports(())
    finally:
        follower.close()
