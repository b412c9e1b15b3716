"""`antispam screen`: a file of submissions or records through the decision function, without streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from time import time
from typing import IO, Any

import msgspec

from pipeline.configuration import Config
from pipeline.errors import AntispamError
from pipeline.events import Record, Submission, encode
from pipeline.ingest import door
from pipeline.ingest.rejected import Rejected
from pipeline.ingest.source_file import SourceFile, open_source
from pipeline.rules.counters import MemoryCounters
from pipeline.screening import Failure, screen
from pipeline.settings import Settings

BATCH = 1000


def screen_file(source: Path, out: Path, rejected: Path, config: Config, settings: Settings) -> tuple[int, int]:
    """Screen a file in order of time; one decision a line. Returns (decisions, rejected lines).

    Submissions are timed by their `submitted_at` (there is no door to stamp them), and by the time of
    the run where they have none. `-` is stdin or stdout. Raises AntispamError for unreadable files.
    """
    state = MemoryCounters()
    now = int(time() * 1000)
    decided = 0
    opened = nullcontext(sys.stdout.buffer) if str(out) == "-" else _create(out)
    with opened as sink, Rejected(rejected) as bad:
        batch: list[tuple[int, Submission | Record]] = []

        def flush() -> None:
            nonlocal decided
            outcomes = screen([event for _, event in batch], state, config, now, settings.late_minutes * 60_000)
            for (number, event), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    bad.add(number, outcome.cause, msgspec.to_builtins(event))
                else:
                    sink.write(encode(outcome.decision) + b"\n")
                    decided += 1
            batch.clear()

        for number, value, fault in _rows(source):
            event = fault or _event(value, number, settings, now)
            if isinstance(event, str):
                bad.add(number, event, value)
                continue
            batch.append((number, event))
            if len(batch) == BATCH:
                flush()
        flush()
        return decided, bad.count


def _create(out: Path) -> IO[bytes]:
    try:
        return out.open("wb")
    except OSError as error:
        raise AntispamError(f"{out}: {error.strerror}") from None


def _rows(path: Path) -> Iterator[tuple[int, Any, str]]:
    if str(path) == "-":
        stdin = SourceFile(path, "stdin", 0, "utf-8", "jsonl")
        yield from stdin.read(sys.stdin.buffer)
        return
    for number, value, fault, _ in open_source(path).rows():
        yield number, value, fault


def _event(value: dict[str, Any], number: int, settings: Settings, now: int) -> Submission | Record | str:
    """Records have a sender, submissions a port."""
    try:
        if "port" in value:
            fields = door.csv_fields(value, None) if isinstance(value.get("recipients"), str) else value
            line = msgspec.convert(fields, door.SubmissionIn, strict=fields is value)
            at = now if line.submitted_at is None else door.time(line.submitted_at, "submitted_at")
            return door.submission(line, settings, at, f"line-{number}")
        fields = value if "kind" in value else door.csv_fields(value, settings.record_columns)
        fields = {k: v for k, v in fields.items() if v not in (None, "")}
        record = door.record(msgspec.convert(fields, door.RecordIn, strict=False), settings, now, f"line-{number}")
        # A file screened offline was not delivered late: lateness is a fact of the live stream.
        return msgspec.structs.replace(record, ingested_at=record.submitted_at)
    except (msgspec.ValidationError, AntispamError) as error:
        return str(error)
