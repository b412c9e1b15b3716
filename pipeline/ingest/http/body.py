"""Reads request bodies with limits: on the declared length, on the bytes received, and on the time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time

from starlette.requests import ClientDisconnect, Request

from pipeline.ingest.http.problems import Problem

READ_SECONDS = 30.0  # for the body of a request
UPLOAD_SECONDS = 300.0  # for a batch file
ENCODINGS = ("identity",)  # accepted for a request's body
UPLOAD_ENCODINGS = ("gzip", "x-gzip", "identity")  # accepted for a batch file; gzip is recognised by its bytes
_PIECE = 1 << 16  # bytes unpacked in one step
_LEFT_BEHIND = 3600  # seconds; the file of an upload this old belongs to a killed process


async def read(request: Request, limit: int) -> bytes:
    """The whole body. Raises Problem: 413 above `limit` bytes, 408 when the body does not arrive in time."""
    body = bytearray()
    async for chunk in _chunks(request, limit, READ_SECONDS):
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def check_encoding(request: Request, taken: tuple[str, ...]) -> None:
    """Raises Problem 415, which lists `taken`, for a Content-Encoding that is not in `taken`."""
    given = request.headers.get("content-encoding", "").strip().lower()
    if given and given not in taken:
        message = f"Content-Encoding: {' or '.join(taken)} expected"
        raise Problem(415, "unsupported_encoding", message, headers={"Accept-Encoding": ", ".join(taken)})


async def _chunks(request: Request, limit: int, seconds: float) -> AsyncIterator[bytes]:
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise Problem(400, "invalid_request", "Content-Length: a number expected")
    if int(declared[:20]) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                yield chunk
    except TimeoutError:
        raise Problem(408, "too_slow", f"the body did not come within {seconds:.0f} s") from None
    except ClientDisconnect:
        raise Problem(400, "incomplete", "the connection ended within the body") from None


async def spool(request: Request, path: Path, limit: int) -> None:
    """Write the body, unpacked if it is gzip, to the file `path`.

    Raises Problem: 413 above `limit` bytes, packed or unpacked; 408 when it is too slow; 400 for broken gzip.
    """
    unpack: _Gunzip | None = None
    first = True
    size = 0
    with path.open("wb") as file:
        async for chunk in _chunks(request, limit, UPLOAD_SECONDS):
            if first and chunk:
                first = False
                unpack = _Gunzip() if chunk[:2] == b"\x1f\x8b" else None
            for piece in unpack.feed(chunk) if unpack else (chunk,):
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                file.write(piece)
                await asyncio.sleep(0)  # other requests are served while a large file is unpacked
        if unpack:
            unpack.finish()


class _Gunzip:
    """Unpacks gzip of one or several members in small pieces, whatever the compression ratio."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error:
                raise Problem(400, "invalid_gzip", "gzip: damaged") from None
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            yield piece

    def finish(self) -> None:
        if not self._member.eof:
            raise Problem(400, "invalid_gzip", "gzip: ends too early")


@contextmanager
def upload_file(folder: Path, suffix: str) -> Iterator[Path]:
    """A temporary file for one upload, readable only by its owner and deleted at the end.

    The files of killed processes are deleted after an hour.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.iterdir():
        if old.stat().st_mtime < time() - _LEFT_BEHIND:
            old.unlink(missing_ok=True)
    with NamedTemporaryFile(dir=folder, suffix=suffix, delete=False) as file:
        path = Path(file.name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"at most {limit} bytes")
