"""`GET /v1/replies` and `POST /v1/replies/taken`: subscribers' messages, until their port has them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from pipeline.actions.replies.bringing import MOST, Waiting
from pipeline.ingest.http.answers import answer
from pipeline.ingest.http.backend import Backend, database_in_time
from pipeline.ingest.http.items import BROKEN
from pipeline.ingest.http.problems import broken_json, invalid

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
    async with database_in_time():
        replies = await backend.replies.waiting(port)
    return answer(200, Replies(list(replies)))


async def take(body: bytes, port: str, backend: Backend) -> Response:
    """The answer to POST. Raises Problem."""
    try:
        having = _decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error, "invalid_ids") from None
    except BROKEN as error:
        raise broken_json(error, len(body)) from None
    async with database_in_time():
        taken = await backend.replies.take(port, having.ids, int(backend.clock() * 1000))
    return answer(200, TakenReplies(taken))
