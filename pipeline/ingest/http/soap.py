"""`POST /soap`: the operations of the SOAP service, over the same door as the HTTP API."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.ingest.http.backend import Backend
from pipeline.ingest.http.intake import Intake, Taken
from pipeline.ingest.http.problems import Problem
from pipeline.ingest.http.submit import Checked, accept, check, fresh_ident
from pipeline.ingest.soap import envelope
from pipeline.ingest.soap.envelope import EnvelopeError, Version
from pipeline.ingest.soap.operations import (
    Query,
    Result,
    Submit,
    SubmitBulk,
    operation,
    problem,
    queried,
    submitted,
    submitted_bulk,
)
from pipeline.rules.ports import Ports
from pipeline.settings import Settings

MEDIA_TYPES = tuple(version.media_type for version in Version)
Find = Callable[[str, Ports, str], Awaitable[SubmissionStatus]]


def bearer(authorization: str | None) -> str | None:
    """The header as `KeyRing` reads it: SOAP clients may send the key as the password of any user (Basic)."""
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return authorization
    try:
        user_and_key = base64.b64decode(given.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return f"Bearer {user_and_key.partition(':')[2]}"


async def serve(
    body: bytes,
    charset: str,
    port: str,
    ports: Ports,
    backend: Backend,
    intake: Intake,
    settings: Settings,
    find: Find,
) -> Response:
    """The answer to a message. `port` is the port of the request's key; `find` tells the status of a submission."""
    version = Version.SOAP_11
    try:
        version, element = await asyncio.to_thread(envelope.read, body, charset)
        asked = operation(element, port)
        if isinstance(asked, Query):
            return _answer(version, queried(await find(port, ports, asked.id)))
        lines = [asked.line] if isinstance(asked, Submit) else asked.lines
        if len(lines) > settings.api_items:
            raise Problem(422, "invalid_array", f"{len(lines)} items, 1 to {settings.api_items} expected", "item")
        checked, fresh = await asyncio.to_thread(_checked, asked, port, ports, settings, int(backend.clock() * 1000))
        outcomes = await accept(checked, port, ports, backend, intake, settings, fresh)
        results = [_result(*each) for each in zip(checked, outcomes, strict=True)]
        if isinstance(asked, SubmitBulk):
            return _answer(version, submitted_bulk(results))
        if isinstance(outcomes[0], Problem):
            raise outcomes[0]
        return _answer(version, submitted(results[0]))
    except EnvelopeError as error:
        return refused(Problem(400, "invalid_soap", str(error)), version)
    except Problem as refusal:
        return refused(refusal, version)


def refused(refusal: Problem, version: Version) -> Response:
    """The fault for a problem. SOAP 1.1 answers every fault with the HTTP status 500."""
    sender = refusal.status < 500 and refusal.status not in (408, 429)
    detail = problem(refusal.status, refusal.error.code, refusal.error.field, refusal.retry_after)
    sent = envelope.fault(version, sender=sender, message=refusal.error.message, detail=detail)
    status = 500 if version is Version.SOAP_11 or not sender else 400
    return _response(version, sent, status)


def _checked(
    asked: Submit | SubmitBulk, port: str, ports: Ports, settings: Settings, now: int
) -> tuple[list[Checked], frozenset[str]]:
    """The submissions or their faults, and the ids made here."""
    checked: list[Checked] = []
    fresh = set()
    for line in [asked.line] if isinstance(asked, Submit) else asked.lines:
        ident = fresh_ident()
        try:
            submission = check(line, port, ports, settings, now, ident)
        except Problem as fault:
            checked.append(fault)
            continue
        if submission.id == ident:
            fresh.add(ident)
        checked.append(submission)
    return checked, frozenset(fresh)


def _result(submission: Checked, outcome: Taken | Problem) -> Result:
    if isinstance(submission, Problem):  # its outcome is the same problem
        return _failed(submission, "")
    if isinstance(outcome, Problem):
        return _failed(outcome, submission.id)
    duplicate = outcome is Taken.DUPLICATE
    return Result(200 if duplicate else 202, submission.id, len(submission.recipients), duplicate)


def _failed(fault: Problem, ident: str) -> Result:
    error = fault.error
    return Result(fault.status, ident, code=error.code, message=error.message, field=error.field)


def _answer(version: Version, inner: str) -> Response:
    return _response(version, envelope.written(version, inner), 200)


def _response(version: Version, sent: bytes, status: int) -> Response:
    return Response(sent, status, {"Cache-Control": "no-store"}, f"{version.media_type}; charset=utf-8")
