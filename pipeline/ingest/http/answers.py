"""The bodies of the API's answers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from pipeline.ingest.http.problems import Error, Problem

Status = Annotated[int, Meta(description="As the HTTP status of a request for this one alone.", examples=[202])]


class Accepted(msgspec.Struct, frozen=True):
    """A submission that the broker has acknowledged; `duplicate` if it had been accepted before."""

    id: str
    messages: Annotated[int, Meta(description="Distinct recipients.")]
    duplicate: bool


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer with a status of 400 or above."""

    error: Error


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one submission of an array; `index` counts from 0."""

    index: int
    status: Status
    id: str | None = None
    messages: int | None = None
    duplicate: bool = False
    error: Error | None = None


class Items(msgspec.Struct, frozen=True, omit_defaults=True):
    """The results of an array's submissions, in its order; `error` if none was accepted."""

    accepted: Annotated[int, Meta(description="Newly accepted.")]
    duplicates: int
    results: list[Item]
    error: Error | None = None


class LineError(msgspec.Struct, frozen=True):
    """A line of a batch file that was not accepted; `line` counts from 1."""

    line: int
    status: Status
    error: Error


class BatchAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a batch file.

    `rejected` counts all lines not accepted; `errors` has the first 1000 of them. With `error`, the file was not read
    to its end. The client may send the same file again: lines already accepted are counted as duplicates.
    """

    accepted: int
    duplicates: int
    rejected: int
    errors: list[LineError]
    error: Error | None = None


_encode = msgspec.json.Encoder().encode


def answer(status: int, body: Any, retry_after: int = 0) -> Response:
    """A JSON response that no cache may store."""
    headers = {"Cache-Control": "no-store"}
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(_encode(body), status, headers, "application/json")


def refusal(problem: Problem) -> Response:
    """The response of a problem."""
    response = answer(problem.status, ErrorAnswer(problem.error), problem.retry_after)
    response.headers.update(problem.headers)
    return response


def overall(accepted: int, duplicates: int, problems: list[Problem]) -> int:
    """The status for several results: 202 if any is new, 200 if any is a duplicate, else the shortest-lived error."""
    if accepted:
        return 202
    if duplicates:
        return 200
    statuses = {problem.status for problem in problems}
    for status in (503, 429):
        if status in statuses:
            return status
    return statuses.pop() if len(statuses) == 1 else 422
