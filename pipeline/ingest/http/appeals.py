"""`POST /v1/appeals` and `GET /v1/appeals/{id}`: a port asks that a refusal or its suspension is looked at again."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from starlette.responses import Response

from pipeline.actions.conduct.appeals import LONGEST, Appeal, file_appeal, find_appeal
from pipeline.errors import AntispamError
from pipeline.ingest.http.answers import answer
from pipeline.ingest.http.backend import Backend, database_in_time
from pipeline.ingest.http.items import BROKEN
from pipeline.ingest.http.problems import Problem, broken_json, invalid
from pipeline.store.database import Database

_LARGEST = 2**53


class AppealLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An appeal against the refusal of `submission`, or without one against the suspension of the port."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    submission: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


_decode = msgspec.json.Decoder(AppealLine).decode


async def file(body: bytes, port: str, backend: Backend) -> Response:
    """The answer to POST. Raises Problem."""
    try:
        line = _decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error, "invalid_appeal") from None
    except BROKEN as error:
        raise broken_json(error, len(body)) from None
    async with database_in_time():
        filed = await backend.appeals.file(port, line.submission, line.text, int(backend.clock() * 1000))
    if isinstance(filed, str):
        raise Problem(409, "no_appeal", filed, filed.partition(":")[0])
    return answer(202, filed)


async def find(ident: str, port: str, backend: Backend) -> Response:
    """The answer to GET. Raises Problem."""
    known = ident.isascii() and ident.isdigit() and int(ident[:20]) < _LARGEST
    async with database_in_time():
        found = await backend.appeals.find(port, int(ident)) if known else None
    if found is None:
        raise Problem(404, "not_found", "no appeal of this port has this id")
    return answer(200, found)


class AppealTable:
    """`backend.AppealDesk` on the operational database. It works in threads, so the event loop never waits."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def file(self, port: str, submission: str | None, text: str, now: int) -> Appeal | str:
        """See `AppealDesk`."""

        def write() -> Appeal | str:
            with self._db.write() as connection:
                try:
                    return file_appeal(connection, port, submission, text, now)
                except AntispamError as error:  # nothing is written before it
                    return str(error)

        return await asyncio.to_thread(write)

    async def find(self, port: str, ident: int) -> Appeal | None:
        """See `AppealDesk`."""

        def read() -> Appeal | None:
            with self._db.read() as connection:
                return find_appeal(connection, port, ident)

        return await asyncio.to_thread(read)
