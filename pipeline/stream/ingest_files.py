"""`antispam ingest`: files onto the topics, each file exactly once, whatever is killed in between.

Progress (how many lines of the file with this hash) is a record of the same transaction as the lines
themselves, and the transactional id is the file's hash: a restart goes on behind the last committed
line, and of two processes with the same file the broker fences one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Message, Producer

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.events import Complaint, IngestProgress, Priority, Record, Submission, encode
from pipeline.ingest import door
from pipeline.ingest.rejected import Rejected
from pipeline.ingest.source_file import SourceFile, open_source
from pipeline.rules.ports import Ports
from pipeline.settings import Settings
from pipeline.stream.clients import TIMEOUT, reader, writer
from pipeline.stream.config_topic import ConfigFollower
from pipeline.stream.replay import replay

CHUNK = 5000  # lines a transaction

Parsed = Submission | Record | Complaint


@dataclass(frozen=True, slots=True)
class What:
    """One kind of file: its lines, the check at the door, the topic it is recorded under."""

    line: type[msgspec.Struct]
    check: Callable[[Any, Settings, int, str], Parsed]
    topic: str


WHAT = {
    "submissions": What(door.SubmissionIn, door.submission, "submissions"),
    "records": What(door.RecordIn, door.record, "records"),
    "complaints": What(door.ComplaintIn, door.complaint, "complaints"),
}


@dataclass(slots=True)
class Ingested:
    """What became of one file. `skipped` is the lines an earlier run had done."""

    path: Path
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0


def ingest(
    what: str,
    paths: Sequence[Path],
    settings: Settings,
    report: Callable[[Path, int, int], None] = lambda *_: None,
) -> list[Ingested]:
    """Produce the files' lines in order; bad lines go to `<file>.rejected.jsonl`.

    `report(path, bytes read, size)` is called after each chunk. Raises AntispamError when a file
    cannot be read, another process ingests the same file, or the broker does not answer.
    """
    sources = [open_source(path) for path in paths]
    progress = _progress(settings)
    ports = _ports(settings)
    results = []
    for source in sources:
        try:
            results.append(_ingest(WHAT[what], source, settings, progress, ports, report))
        except KafkaException as error:
            raise AntispamError(f"{source.path}: {error.args[0].str()}; run the command again to go on") from None
    return results


def _ingest(
    what: What, source: SourceFile, settings: Settings, progress: dict[tuple[str, str], IngestProgress],
    ports: Ports, report: Callable[[Path, int, int], None],
) -> Ingested:  # fmt: skip
    before = progress.get((source.digest, what.topic))
    done = before.lines if before else 0
    result = Ingested(source.path, skipped=done)
    if before is not None and before.done:
        return result
    producer = writer(settings, f"antispam-ingest-{what.topic}-{source.digest[:32]}")
    producer.init_transactions(TIMEOUT)
    now = int(time() * 1000)
    seen: set[int] = set()
    last, pending = done, 0
    with Rejected(source.path.with_name(source.path.name + ".rejected.jsonl"), keep_lines=done) as rejected:
        producer.begin_transaction()
        for number, value, fault, position in source.rows():
            event = fault or _parse(what, value, source, number, settings, now)
            if isinstance(event, Submission | Record) and _seen(event, seen):
                event = "id: used before in this file"
            if number <= done:  # of an earlier run; read again only for its ids
                continue
            if isinstance(event, str):
                rejected.add(number, event, value)
                result.rejected += 1
            else:
                _send(producer, event, ports)
                result.accepted += 1
            last, pending = number, pending + 1
            if pending == CHUNK:
                rejected.flush()
                _commit(producer, source, what, result, last, False, now)
                report(source.path, position, source.size)
                producer.begin_transaction()
                pending, now = 0, int(time() * 1000)
        rejected.flush()
        _commit(producer, source, what, result, last, True, now)
    report(source.path, source.size, source.size)
    return result


def _parse(what: What, value: Any, source: SourceFile, number: int, settings: Settings, now: int) -> Parsed | str:
    """The event of a line, or what is wrong with it."""
    try:
        if source.format == "csv":
            value = door.csv_fields(value, settings.record_columns if what.topic == "records" else None)
        line = msgspec.convert(value, what.line, strict=source.format != "csv")
        return what.check(line, settings, now, f"{source.digest[:16]}-{number}")
    except (msgspec.ValidationError, AntispamError) as error:
        return str(error)


def _seen(event: Submission | Record, seen: set[int]) -> bool:
    """True if the file had this id before: a second decision of one id must not exist."""
    owner = event.port if isinstance(event, Submission) else event.sender
    key = hash((owner, event.id))
    if key in seen:
        return True
    seen.add(key)
    return False


def _send(producer: Producer, event: Parsed, ports: Ports) -> None:
    topic, key = destination(event, ports)
    while True:
        try:
            producer.produce(topic, encode(event), key)
            return
        except BufferError:
            producer.poll(0.1)


def destination(event: Parsed, ports: Ports) -> tuple[str, str]:
    """Topic and key of an event: submissions by their registered port, records by sender."""
    if isinstance(event, Submission):
        bulk = event.priority is Priority.BULK
        return (topics.SUBMISSIONS_BULK if bulk else topics.SUBMISSIONS_EXPRESS).name, ports.key(event.port)
    if isinstance(event, Record):
        return topics.RECORDS.name, event.sender
    return topics.COMPLAINTS.name, ports.key(event.port)


def _commit(
    producer: Producer, source: SourceFile, what: What, result: Ingested, lines: int, done: bool, now: int
) -> None:
    mark = IngestProgress(
        file=source.digest, topic=what.topic, lines=lines, accepted=result.accepted,
        rejected=result.rejected, done=done, at=now,
    )  # fmt: skip
    producer.produce(topics.INGEST.name, encode(mark), f"{what.topic}/{source.digest}", 0)
    producer.commit_transaction(TIMEOUT)


def _progress(settings: Settings) -> dict[tuple[str, str], IngestProgress]:
    marks: dict[tuple[str, str], IngestProgress] = {}

    def take(message: Message) -> None:
        mark = msgspec.json.decode(message.value() or b"", type=IngestProgress)
        marks[mark.file, mark.topic] = mark

    consumer = reader(settings, "ingest-progress")
    try:
        replay(consumer, [(topics.INGEST.name, 0)], take, deadline=120)
    finally:
        consumer.close()
    return marks


def _ports(settings: Settings) -> Ports:
    """The registry in force: submissions are keyed by registered port, whatever extension they carry."""
    follower = ConfigFollower(settings, "ingest")
    try:
        return follower.catch_up().ports or Ports(())
    finally:
        follower.close()
