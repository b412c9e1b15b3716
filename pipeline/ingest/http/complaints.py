"""`POST /v1/complaints`: complaints that a channel sends, one or an array, checked at the door and taken once."""

from __future__ import annotations

import asyncio
from hmac import compare_digest
from typing import Annotated

import msgspec
from pydantic import SecretStr
from starlette.responses import Response

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.events import Complaint
from pipeline.ingest.http.answers import Item, Items, answer, overall
from pipeline.ingest.http.backend import Backend, database_in_time
from pipeline.ingest.http.items import BROKEN, items_of
from pipeline.ingest.http.problems import Problem, broken_json, invalid
from pipeline.settings import Settings

SOURCE = "http"  # of a complaint that names no source


class ComplaintLine(msgspec.Struct, forbid_unknown_fields=True):
    """A complaint about a port or a number. `recipient` may hide digits; `reference` is the channel's own number."""

    port: str
    recipient: str
    complained_at: door.Time
    content: str = ""
    source: Annotated[str, msgspec.Meta(max_length=32)] = SOURCE
    reference: Annotated[str, msgspec.Meta(max_length=128)] = ""


_one = msgspec.json.Decoder(ComplaintLine).decode


def check_key(authorization: str | None, key: SecretStr | None) -> None:
    """Raises Problem 401 unless the header has the key of the complaint channels; without a key nobody has."""
    scheme, _, given = (authorization or "").partition(" ")
    if key is None or scheme.lower() != "bearer":
        raise Problem(401, "unauthorized", "Authorization: Bearer <key of complaint channels> expected")
    if not compare_digest(given.strip().encode("utf-8", "replace"), key.get_secret_value().encode()):
        raise Problem(401, "unauthorized", "unknown key of complaint channels")


async def receive(body: bytes, backend: Backend, settings: Settings) -> Response:
    """The answer to a request body. Raises Problem."""
    now = int(backend.clock() * 1000)
    several, checked = await asyncio.to_thread(_parse, body, settings, now)
    valid = [complaint for complaint in checked if isinstance(complaint, Complaint)]
    async with database_in_time():
        news = iter(await backend.complaints.receive(valid, now) if valid else ())
    results = [
        Item(index, each.status, error=each.error) if isinstance(each, Problem) else _taken(index, each, next(news))
        for index, each in enumerate(checked)
    ]
    problems = [each for each in checked if isinstance(each, Problem)]
    if problems and not several:
        raise problems[0]
    new = sum(result.status == 202 for result in results)
    doubles = len(valid) - new
    status = overall(new, doubles, problems)
    none = None if valid else Problem(status, "none_accepted", "see results").error
    return answer(status, Items(new, doubles, results, none))


def _taken(index: int, complaint: Complaint, new: bool) -> Item:
    return Item(index, 202 if new else 200, id=complaint.id, duplicate=not new)


def _parse(body: bytes, settings: Settings, now: int) -> tuple[bool, list[Complaint | Problem]]:
    """Whether the body is an array; its complaints or their faults."""
    several, parts = items_of(body, settings.api_items, "complaints")
    return several, [_checked(part, settings, now, len(body)) for part in parts]


def _checked(part: bytes | msgspec.Raw, settings: Settings, now: int, length: int) -> Complaint | Problem:
    try:
        line = _one(part)
        written = door.ComplaintIn(
            line.port, line.recipient, line.complained_at, None, line.content, line.source, line.reference
        )
        return door.complaint(written, settings, now)
    except (msgspec.ValidationError, AntispamError) as error:
        return invalid(error, "invalid_complaint")
    except BROKEN as error:
        return broken_json(error, length)
