"""`POST /v1/submissions`: one submission or an array, decoded, checked and accepted."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b32encode
from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.events import Submission
from pipeline.ingest.http.answers import Accepted, Item, Items, answer, overall
from pipeline.ingest.http.backend import Backend
from pipeline.ingest.http.intake import Intake, Taken
from pipeline.ingest.http.items import BROKEN, items_of
from pipeline.ingest.http.problems import Problem, broken_json, invalid
from pipeline.rules.ports import Ports
from pipeline.settings import Settings

_IN_LOOP = 32 * 1024  # bytes checked in the event loop, which takes under 2 ms; longer bodies go to a thread
_one = msgspec.json.Decoder(door.SubmissionIn).decode
Checked = Submission | Problem


async def submit(
    body: bytes, port: str, ports: Ports, backend: Backend, intake: Intake, settings: Settings
) -> Response:
    """The answer to a request body. `port` is the port of the request's key. Raises Problem."""
    now = int(backend.clock() * 1000)
    if len(body) > _IN_LOOP:
        several, checked, fresh = await asyncio.to_thread(_parse, body, port, ports, settings, now)
    else:
        several, checked, fresh = _parse(body, port, ports, settings, now)
    outcomes = await accept(checked, port, ports, backend, intake, settings, fresh)
    if several:
        return _items(checked, outcomes)
    (submission,), (outcome,) = checked, outcomes
    if isinstance(submission, Problem):
        raise submission
    if isinstance(outcome, Problem):
        raise outcome
    duplicate = outcome is Taken.DUPLICATE
    return answer(200 if duplicate else 202, Accepted(submission.id, len(submission.recipients), duplicate))


async def accept(
    checked: Sequence[Checked],
    port: str,
    ports: Ports,
    backend: Backend,
    intake: Intake,
    settings: Settings,
    fresh: frozenset[str] = frozenset(),
) -> list[Taken | Problem]:
    """Pass valid submissions whose lane's lag is below the limit to the intake. Returns the outcomes in order."""
    outcomes: list[Taken | Problem | None] = [c if isinstance(c, Problem) else None for c in checked]
    passed: list[Submission] = []
    for place, submission in enumerate(checked):
        if isinstance(submission, Problem):
            continue
        lag = backend.broker.lag(submission.priority)
        if lag.behind > settings.api_lag_limit:
            message = f"{lag.behind} {submission.priority.value} submissions are waiting to be decided"
            outcomes[place] = Problem(429, "too_far_behind", message, retry_after=lag.seconds)
        else:
            passed.append(submission)
    taken = iter(await intake.accept(port, passed, ports, fresh))
    return [outcome if outcome is not None else next(taken) for outcome in outcomes]


def check(
    line: door.SubmissionIn, port: str, ports: Ports, settings: Settings, now: int, fallback_id: str
) -> Submission:
    """The submission of a line, if the key of `port` may send it. Raises Problem."""
    try:
        submission = door.submission(line, settings, now, fallback_id)
    except AntispamError as error:
        raise invalid(error) from None
    if ports.key(submission.port) != port:
        raise Problem(403, "port_not_allowed", "port: not the port of this key, nor an extension of it", "port")
    return ports.signed(submission)


def _parse(
    body: bytes, port: str, ports: Ports, settings: Settings, now: int
) -> tuple[bool, list[Checked], frozenset[str]]:
    """Whether the body is an array; its submissions or their faults; the ids made here."""
    several, parts = items_of(body, settings.api_items, "submissions")
    fresh = set()
    checked: list[Checked] = []
    for part in parts:
        ident = fresh_ident()
        try:
            submission = check(_one(part), port, ports, settings, now, ident)
            if submission.id == ident:
                fresh.add(ident)
            checked.append(submission)
        except Problem as problem:
            checked.append(problem)
        except msgspec.ValidationError as error:
            checked.append(invalid(error))
        except BROKEN as error:
            checked.append(broken_json(error, len(body)))
    return several, checked, frozenset(fresh)


def fresh_ident() -> str:
    """A new id of 120 random bits. Base 32 has no 1, so no part of it looks like a mobile number (privacy.py)."""
    return b32encode(secrets.token_bytes(15)).decode().lower()


def _items(checked: Sequence[Checked], outcomes: Sequence[Taken | Problem]) -> Response:
    results = []
    problems = []
    counts = {Taken.ACCEPTED: 0, Taken.DUPLICATE: 0}
    for index, (submission, outcome) in enumerate(zip(checked, outcomes, strict=True)):
        ident = None if isinstance(submission, Problem) else submission.id
        if isinstance(outcome, Problem):
            problems.append(outcome)
            results.append(Item(index, outcome.status, ident, error=outcome.error))
        elif not isinstance(submission, Problem):
            counts[outcome] += 1
            duplicate = outcome is Taken.DUPLICATE
            results.append(Item(index, 200 if duplicate else 202, ident, len(submission.recipients), duplicate))
    accepted, duplicates = counts[Taken.ACCEPTED], counts[Taken.DUPLICATE]
    status = overall(accepted, duplicates, problems)
    none = None if accepted or duplicates else Problem(status, "none_accepted", "see results").error
    retry = max((p.retry_after for p in problems), default=0)
    return answer(status, Items(accepted, duplicates, results, none), retry)
