"""`GET /v1/replies` and `POST /v1/replies/taken`: subscribers' messages, until their port has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from starlette.responses import Response

from pipeline.actions.replies.bringing import MOST, Waiting
from pipeline.errors import AntispamError
from pipeline.ingest.http.answers import answer
from pipeline.ingest.http.backend import DATABASE_SECONDS, Backend
from pipeline.ingest.http.items import BROKEN
from pipeline.ingest.http.problems import broken_json, invalid, unavailable

T = TypeVar("T")
Ident = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


class Replies(msgspec.Struct, frozen=True):
    """The oldest messages that the port has not taken yet."""

    replies: Annotated[list[Waiting], Meta(max_length=MOST)]


class Having(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ids of messages that the port has."""

    ids: Annotated[list[Ident], Meta(min_length=1, max_length=MOST)]


class TakenReplies(msgspec.Struct, frozen=True):
    """How many of the named messages were waiting."""

    taken: int


_decode = msgspec.json.Decoder(Having).decode


async def waiting(port: str, backend: Backend) -> Response:
    """The answer to GET. Raises Problem."""
    return answer(200, Replies(list(await _in_time(backend.replies.waiting(port)))))


async def take(body: bytes, port: str, backend: Backend) -> Response:
    """The answer to POST. Raises Problem."""
    try:
        having = _decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error, "invalid_ids") from None
    except BROKEN as error:
        raise broken_json(error, len(body)) from None
    now = int(backend.clock() * 1000)
    return answer(200, TakenReplies(await _in_time(backend.replies.take(port, having.ids, now))))


async def _in_time(work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            return await work
    except (AntispamError, TimeoutError):
        raise unavailable("the operational database") from None
