"""`POST /v1/consents`: one consent of the key's port or an array, checked at the door and recorded."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.responses import Response

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.ingest.http.answers import Item, Items, answer, overall
from pipeline.ingest.http.backend import Backend, database_in_time
from pipeline.ingest.http.items import BROKEN, items_of
from pipeline.ingest.http.problems import Problem, broken_json, invalid
from pipeline.rules.consents import Consent, ConsentKind
from pipeline.settings import Settings


class ConsentLine(msgspec.Struct, forbid_unknown_fields=True):
    """A consent to commercial messages of the key's port. `kind`: the recipient agreed, asked, was asked, refused."""

    recipient: str
    kind: ConsentKind
    given_at: door.Time
    source: str = ""
    until: door.Time | None = None


_one = msgspec.json.Decoder(ConsentLine).decode


async def record(body: bytes, port: str, backend: Backend, settings: Settings) -> Response:
    """The answer to a request body. `port` is the port of the request's key. Raises Problem."""
    now = int(backend.clock() * 1000)
    several, checked = await asyncio.to_thread(_parse, body, port, settings, now)
    valid = [consent for consent in checked if isinstance(consent, Consent)]
    async with database_in_time():
        faults = iter(await backend.consents.record(port, valid, now) if valid else ())
    results, problems = [], []
    for index, consent in enumerate(checked):
        problem = consent if isinstance(consent, Problem) else _refused(next(faults))
        if problem is not None:
            problems.append(problem)
        results.append(Item(index, problem.status if problem else 202, error=problem.error if problem else None))
    if problems and not several:
        raise problems[0]
    recorded = len(checked) - len(problems)
    status = overall(recorded, 0, problems)
    none = None if recorded else Problem(status, "none_accepted", "see results").error
    return answer(status, Items(recorded, 0, results, none))


def _refused(fault: str | None) -> Problem | None:
    """409 for a consent that the record does not allow: the recipient was asked before."""
    return None if fault is None else Problem(409, "asked_before", fault, "kind")


def _parse(body: bytes, port: str, settings: Settings, now: int) -> tuple[bool, list[Consent | Problem]]:
    """Whether the body is an array; its consents or their faults."""
    several, parts = items_of(body, settings.api_items, "consents")
    return several, [_checked(part, port, now, len(body)) for part in parts]


def _checked(part: bytes | msgspec.Raw, port: str, now: int, length: int) -> Consent | Problem:
    try:
        line = _one(part)
        written = door.ConsentIn(line.recipient, line.kind, line.given_at, port, source=line.source, until=line.until)
        return door.consent(written, now)
    except (msgspec.ValidationError, AntispamError) as error:
        return invalid(error, "invalid_consent")
    except BROKEN as error:
        return broken_json(error, length)
