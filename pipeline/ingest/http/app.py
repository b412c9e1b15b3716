"""The API of the enterprises, over HTTP and SOAP: submissions and their state, consents, subscribers' messages."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import metrics
from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.ingest.http import appeals, body, openapi, openapi_page, replies, soap
from pipeline.ingest.http.answers import answer, refusal
from pipeline.ingest.http.backend import Backend, database_in_time
from pipeline.ingest.http.batch import FORMATS, batch
from pipeline.ingest.http.complaints import check_key, receive
from pipeline.ingest.http.consents import record
from pipeline.ingest.http.intake import Intake
from pipeline.ingest.http.keys import KeyRing
from pipeline.ingest.http.problems import Problem
from pipeline.ingest.http.soap import MEDIA_TYPES
from pipeline.ingest.http.submit import submit
from pipeline.ingest.soap.envelope import Version
from pipeline.ingest.soap.wsdl import wsdl
from pipeline.process import page
from pipeline.process.http_connections import known
from pipeline.rules.ports import Ports
from pipeline.settings import Settings

UPLOADS = 4  # batch files processed at once; each may need its maximum size on disk
_log = structlog.get_logger()


def create_app(backend: Backend, keys: KeyRing, intake: Intake, settings: Settings) -> Starlette:
    """The application. Its only own state is the count of requests under way."""
    requests = _Slots(settings.api_requests)
    uploads = _Slots(UPLOADS)
    document = openapi.document(settings)
    documentation = openapi_page.render(document)

    def caller(request: Request) -> tuple[str, Ports]:
        """The port that the request's key belongs to. Raises Problem."""
        port = keys.port(request.headers.get("authorization"))
        return port, admitted(request)

    def admitted(request: Request) -> Ports:
        """The ports in force, for a request with a valid key. Raises Problem."""
        known(request.scope)
        ports = backend.ports()
        if ports is None:
            raise Problem(503, "no_configuration", "no ports have been published yet", retry_after=5)
        return ports

    async def post_submissions(request: Request) -> Response:
        port, ports = caller(request)
        _content_type(request, ("application/json",))
        body.check_encoding(request, body.ENCODINGS)
        async with requests:
            sent = await body.read(request, settings.api_body_bytes)
            return await submit(sent, port, ports, backend, intake, settings)

    async def post_batches(request: Request) -> Response:
        port, ports = caller(request)
        suffix = FORMATS[_content_type(request, tuple(FORMATS))]
        body.check_encoding(request, body.UPLOAD_ENCODINGS)
        async with uploads:
            with body.upload_file(settings.data_dir / "uploads", suffix) as path:
                await body.spool(request, path, settings.api_batch_bytes)
                return await batch(path, port, ports, backend, intake, settings)

    async def post_consents(request: Request) -> Response:
        port, _ = caller(request)
        _content_type(request, ("application/json",))
        body.check_encoding(request, body.ENCODINGS)
        async with requests:
            return await record(await body.read(request, settings.api_body_bytes), port, backend, settings)

    async def get_replies(request: Request) -> Response:
        port, _ = caller(request)
        async with requests:
            return await replies.waiting(port, backend)

    async def post_taken(request: Request) -> Response:
        port, _ = caller(request)
        _content_type(request, ("application/json",))
        body.check_encoding(request, body.ENCODINGS)
        async with requests:
            return await replies.take(await body.read(request, settings.api_body_bytes), port, backend)

    async def post_complaints(request: Request) -> Response:
        check_key(request.headers.get("authorization"), settings.complaint_key)
        known(request.scope)
        _content_type(request, ("application/json",))
        body.check_encoding(request, body.ENCODINGS)
        async with requests:
            return await receive(await body.read(request, settings.api_body_bytes), backend, settings)

    async def post_appeals(request: Request) -> Response:
        port, _ = caller(request)
        _content_type(request, ("application/json",))
        body.check_encoding(request, body.ENCODINGS)
        async with requests:
            return await appeals.file(await body.read(request, settings.api_body_bytes), port, backend)

    async def get_appeal(request: Request) -> Response:
        port, _ = caller(request)
        async with requests:
            return await appeals.find(request.path_params["ident"], port, backend)

    async def get_submission(request: Request) -> Response:
        port, ports = caller(request)
        async with requests:
            return answer(200, await _status(port, ports, request.path_params["ident"]))

    async def _status(port: str, ports: Ports, ident: str) -> SubmissionStatus:
        async with database_in_time():
            for sender in await backend.lookup.senders(port, ident):
                status = await backend.lookup.status(sender, ident) if ports.key(sender) == port else None
                if status is not None:
                    return status
        if intake.knows(port, ident):  # on the broker, but not yet in the database
            return SubmissionStatus(id=ident, port=port, state="accepted")
        raise Problem(404, "not_found", "no submission of this port has this id")

    async def post_soap(request: Request) -> Response:
        version = Version.SOAP_12 if MEDIA_TYPES[1] in request.headers.get("content-type", "") else Version.SOAP_11
        try:
            port = keys.port(soap.bearer(request.headers.get("authorization")))
            ports = admitted(request)
            _content_type(request, MEDIA_TYPES)
            body.check_encoding(request, body.ENCODINGS)
            async with requests:
                sent = await body.read(request, settings.api_body_bytes)
                charset = _charset(request)
                return await soap.serve(sent, charset, port, ports, backend, intake, settings, _status)
        except Problem as problem:
            return soap.refused(problem, version)

    async def get_wsdl(request: Request) -> Response:
        return Response(wsdl(str(request.url.replace(query=""))), media_type="text/xml")

    def ready() -> dict[str, object]:
        missing = backend.not_ready()
        return {"ready": not missing, "missing": missing}

    async def openapi_json(_: Request) -> Response:
        return answer(200, document)

    async def docs(_: Request) -> Response:
        return HTMLResponse(documentation, headers={"Content-Security-Policy": openapi_page.CONTENT_SECURITY_POLICY})

    routes = [
        Route("/v1/submissions", post_submissions, methods=["POST"]),
        Route("/v1/batches", post_batches, methods=["POST"]),
        Route("/v1/consents", post_consents, methods=["POST"]),
        Route("/v1/replies", get_replies),
        Route("/v1/replies/taken", post_taken, methods=["POST"]),
        Route("/v1/complaints", post_complaints, methods=["POST"]),
        Route("/v1/appeals", post_appeals, methods=["POST"]),
        Route("/v1/appeals/{ident}", get_appeal),
        Route("/v1/submissions/{ident:path}", get_submission),
        Route("/soap", post_soap, methods=["POST"]),
        Route("/soap", get_wsdl),
        *page.routes(["api"], ready),
        Route("/openapi.json", openapi_json),
        Route("/docs", docs),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Watched, routes=routes)],
        exception_handlers={Problem: _problem, HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


async def _problem(_: Request, error: Exception) -> Response:
    return refusal(error) if isinstance(error, Problem) else _internal(error)


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, message = {404: ("not_found", "no such address"), 405: ("method_not_allowed", "method not allowed")}.get(
        status, ("invalid_request", "invalid request")
    )
    response = refusal(Problem(status, code, message))
    response.headers.update(getattr(error, "headers", None) or {})
    return response


class _Slots:
    """Limits the number of requests at work. A request above the limit is refused at once, not queued."""

    def __init__(self, size: int) -> None:
        self._free = size

    async def __aenter__(self) -> None:
        if self._free == 0:
            raise Problem(503, "busy", "too many requests at once", retry_after=1)
        self._free -= 1

    async def __aexit__(self, *_: object) -> None:
        self._free += 1


class _Watched:
    """Counts and times each request by its route. Answers an internal fault without repeating the request's content."""

    def __init__(self, app: ASGIApp, routes: Sequence[Route]) -> None:
        self._app = app
        self._paths: dict[Any, str] = {route.endpoint: route.path for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # noqa: BLE001 - a traceback would carry texts and numbers into the log
            response = _internal(error)
            if status == 0:
                await response(scope, receive, noted)
        route = self._paths.get(scope.get("endpoint"), "other")
        metrics.HTTP_REQUESTS.labels(route, status).inc()
        metrics.HTTP_SECONDS.labels(route).observe(perf_counter() - begun)


def _internal(error: Exception) -> Response:
    """Answer 500. The log names only the error's type and the place in the code."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else ""
    _log.error("request_failed", cause=type(error).__name__, where=where)
    return refusal(Problem(500, "internal", "a fault of ours; it is in our log"))


def _content_type(request: Request, wanted: tuple[str, ...]) -> str:
    """The media type of the request, out of `wanted`; their first if the request names none. Raises Problem 415."""
    given = request.headers.get("content-type", wanted[0]).partition(";")[0].strip().lower()
    if given not in wanted:
        raise Problem(415, "unsupported_media_type", f"Content-Type: {' or '.join(wanted)} expected")
    return given


def _charset(request: Request) -> str:
    """The charset that the media type of the request names, or an empty string."""
    for parameter in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return ""
