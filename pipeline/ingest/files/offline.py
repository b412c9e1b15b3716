"""`antispam screen`: runs a file of submissions or records through the decision function, without streams."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

import msgspec

from pipeline import door
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Failure, screen
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import Record, Submission, encode
from pipeline.file_exchange import CsvForm
from pipeline.files.columns import Table
from pipeline.ingest.files.line_kinds import RECORDS, SUBMISSIONS
from pipeline.ingest.files.text_lines import open_lines, output
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.settings import Settings

BATCH = 1000


def screen_file(
    source: Path, out: Path, rejected: Path, config: Config, settings: Settings, form: CsvForm | None = None
) -> tuple[int, int]:
    """Screen a file in time order; write one decision a line. Returns (decisions, rejected lines).

    The time of a submission is its `submitted_at`, because no door has stamped it; without it, the time of the run.
    `form` is how a csv is written. `-` is stdin or stdout.

    Raises AntispamError for unreadable files.
    """
    state = MemoryCounters()
    now = int(time() * 1000)
    decided = 0
    table, rows = open_lines(source, [kind.columns(settings, form) for kind in (RECORDS, SUBMISSIONS)])
    with output(source, out, rejected) as (sink, bad):
        batch: list[tuple[int, Submission | Record]] = []

        def flush() -> None:
            nonlocal decided
            outcomes = screen([event for _, event in batch], state, config, now, settings.late_minutes * MINUTE_MS)
            for (number, event), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    bad.add(number, outcome.cause, msgspec.to_builtins(event))
                else:
                    sink.write(encode(outcome.decision) + b"\n")
                    decided += 1
            batch.clear()

        for number, value, fault in rows:
            event = fault or _event(value, table, number, settings, now)
            if isinstance(event, Submission) and config.ports is not None:
                event = config.ports.signed(event)
            if isinstance(event, str):
                bad.add(number, event, value)
                continue
            batch.append((number, event))
            if len(batch) == BATCH:
                flush()
        flush()
        return decided, bad.count


def _event(
    value: dict[str, Any], table: Table | None, number: int, settings: Settings, now: int
) -> Submission | Record | str:
    """The event of a line, or its fault. Records have a sender, submissions a port."""
    kind = SUBMISSIONS if "port" in (table.what.fields if table else value) else RECORDS
    try:
        line = kind.read(value, table)
        if isinstance(line, door.SubmissionIn):
            at = now if line.submitted_at in (None, "") else door.time(line.submitted_at, "submitted_at")
            return door.submission(line, settings, at, f"line-{number}")
        record = door.record(line, settings, now, f"line-{number}")
        # Lateness exists only in the live stream: a file screened offline was not delivered late.
        return msgspec.structs.replace(record, ingested_at=record.submitted_at)
    except (msgspec.ValidationError, AntispamError) as error:
        return door.fault(error)
