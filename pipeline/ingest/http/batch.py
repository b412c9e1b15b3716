"""`POST /v1/batches`: a file of submissions. Each good line is accepted; the answer names each bad line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from starlette.responses import Response

from pipeline.errors import AntispamError
from pipeline.files.source_file import open_source
from pipeline.ingest.files.line_kinds import SUBMISSIONS
from pipeline.ingest.http.answers import BatchAnswer, LineError, answer, overall
from pipeline.ingest.http.backend import Backend
from pipeline.ingest.http.intake import Intake, Taken
from pipeline.ingest.http.problems import Problem, invalid
from pipeline.ingest.http.submit import Checked, accept, check
from pipeline.rules.ports import Ports
from pipeline.settings import Settings

CHUNK = 200  # lines checked, sent and acknowledged together
ERRORS = 1000  # bad lines listed in an answer; further ones are only counted
FORMATS = {"application/x-ndjson": ".jsonl", "application/jsonl": ".jsonl", "text/csv": ".csv"}

Line = tuple[int, Checked]


async def batch(path: Path, port: str, ports: Ports, backend: Backend, intake: Intake, settings: Settings) -> Response:
    """The answer to an uploaded file. A line without an id gets an id from the file's hash and the line number.

    So a file sent twice creates no submission twice. Raises Problem for a file that cannot be read.
    """
    now = int(backend.clock() * 1000)
    lines = _lines(path, port, ports, settings, now)
    counts = {Taken.ACCEPTED: 0, Taken.DUPLICATE: 0}
    problems: list[tuple[int, Problem]] = []
    rejected = 0
    stopped: Problem | None = None
    while stopped is None and (chunk := await asyncio.to_thread(lambda: list(islice(lines, CHUNK)))):
        outcomes = await accept([checked for _, checked in chunk], port, ports, backend, intake, settings)
        for (number, _), outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, Taken):
                counts[outcome] += 1
                continue
            rejected += 1
            if len(problems) < ERRORS:
                problems.append((number, outcome))
            if outcome.status in (429, 503):  # the following lines would fail in the same way
                stopped = outcome
    errors = [LineError(number, problem.status, problem.error) for number, problem in problems]
    accepted, duplicates = counts[Taken.ACCEPTED], counts[Taken.DUPLICATE]
    if stopped is not None:
        return answer(
            stopped.status, BatchAnswer(accepted, duplicates, rejected, errors, stopped.error), stopped.retry_after
        )
    if not (accepted or duplicates or errors):
        raise Problem(422, "empty", "no line in the file")
    status = overall(accepted, duplicates, [problem for _, problem in problems])
    none = None if accepted or duplicates else Problem(status, "none_accepted", "see errors").error
    return answer(status, BatchAnswer(accepted, duplicates, rejected, errors, none))


def _lines(path: Path, port: str, ports: Ports, settings: Settings, now: int) -> Iterator[Line]:
    """(line number, submission or its fault)."""

    def checked(number: int, value: Any, fault: str) -> Checked:
        if fault:
            return Problem(422, "invalid_line", fault)
        try:
            line = SUBMISSIONS.read(value, table)
            return check(line, port, ports, settings, now, f"{source.digest[:16]}-{number}")
        except msgspec.ValidationError as error:
            return invalid(error)
        except Problem as problem:
            return problem

    try:
        source = open_source(path)
        table = source.table([SUBMISSIONS.columns(settings)])
        for number, value, fault, _ in source.rows(table):
            yield number, checked(number, value, fault)
    except AntispamError as error:  # its text contains a path of this machine
        raise Problem(400, "unreadable_file", str(error).removeprefix(f"{path}: ")) from None
