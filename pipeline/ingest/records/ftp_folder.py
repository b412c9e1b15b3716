"""A folder on an FTP server (aioftp), passive mode only.

Names travel as bytes: a server that does not speak UTF-8 must not make the whole listing unreadable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aioftp

from pipeline.file_exchange import Endpoint
from pipeline.ingest.records.folder import (
    BLOCK,
    CALL_SECONDS,
    LIST_SECONDS,
    MAX_LISTED,
    MAX_NAME,
    FileRefusedError,
    Folder,
    FolderError,
    Listed,
    listed,
    said,
    writing,
)

# Entries after which other tasks get a turn. While bytes keep arriving, nothing here waits, so without the turn
# neither a time limit nor a stop would take effect.
_TURN = 500
ANSWER_LINES = 200  # of 64 KiB at most

# The exceptions of aioftp, and the ones that its parser raises on malformed answers.
_FAULTS = (aioftp.AIOFTPException, OSError, EOFError, ValueError, LookupError)


class _Client(aioftp.Client):
    """Reads a bounded number of lines of an answer: a server may send lines without end."""

    _lines = 0

    async def parse_response(self) -> tuple[aioftp.Code, list[str]]:
        self._lines = 0
        return await super().parse_response()

    async def parse_line(self) -> tuple[aioftp.Code, str]:
        self._lines += 1
        if self._lines > ANSWER_LINES:
            raise ValueError(f"an answer of more than {ANSWER_LINES} lines")
        return await super().parse_line()


class FtpFolder:
    """One signed-in connection. It cannot be used after a FolderError."""

    def __init__(self, client: aioftp.Client, folder: str) -> None:
        self._client = client
        self._folder = _wire(folder.rstrip("/"))

    async def files(self) -> dict[str, Listed]:
        """See Folder."""
        found: dict[str, Listed] = {}
        read = 0
        clock = asyncio.get_running_loop().time
        end = clock() + LIST_SECONDS
        with _plain("listing"):
            async for path, info in self._client.list(self._folder or "/"):
                read += 1
                if read % _TURN == 0:
                    await asyncio.sleep(0)
                    # A time limit around this loop may get lost: wait_for of Python 3.11 sometimes swallows it.
                    if clock() > end:
                        raise FolderError(f"listing took more than {LIST_SECONDS:.0f} s")
                if info.get("type") == "file" and len(path.name) <= MAX_NAME and len(found) < MAX_LISTED:
                    name = path.name.encode("latin-1").decode("utf-8", "surrogateescape")
                    found[name] = listed(info.get("size"), info.get("modify"))
        return found

    async def stat(self, name: str) -> Listed | None:
        """See Folder."""
        with _plain(name):
            async with asyncio.timeout(CALL_SECONDS):
                try:
                    _, lines = await self._client.command(f"MLST {self._path(name)}", "2xx")
                except aioftp.StatusCodeError as error:
                    if not error.received_codes[-1].matches("50x"):
                        return None  # FTP has no more specific code than 550
                else:
                    _, info = self._client.parse_mlsx_line(lines[1].lstrip())
                    return listed(info.get("size"), info.get("modify"))
        return (await self.files()).get(name)  # an old server without the command: search the listing

    async def blocks(self, name: str) -> AsyncGenerator[bytes, None]:
        """See Folder."""
        with _plain(name):
            async with self._client.download_stream(self._path(name)) as stream:
                async for block in stream.iter_by_block(BLOCK):
                    yield block

    async def put(self, name: str, content: bytes) -> None:
        """See Folder."""
        with writing(), _plain(name):
            async with self._client.upload_stream(self._path(name)) as stream:
                for start in range(0, len(content), BLOCK):
                    await stream.write(content[start : start + BLOCK])

    async def rename(self, name: str, target: str) -> None:
        """See Folder. If the server does not replace files, the other file is deleted first."""
        try:
            with _plain(name):
                await self._renamed(name, target)
        except FileRefusedError:
            # If there is no such file, the second rename reports the real fault.
            with suppress(FileRefusedError):
                await self.remove(target)
            with _plain(name):
                await self._renamed(name, target)

    async def remove(self, name: str) -> None:
        """See Folder."""
        with _plain(name):
            async with asyncio.timeout(CALL_SECONDS):
                await self._client.remove_file(self._path(name))

    async def _renamed(self, name: str, target: str) -> None:
        async with asyncio.timeout(CALL_SECONDS):
            await self._client.rename(self._path(name), self._path(target))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{_wire(name)}"


@asynccontextmanager
async def ftp_folder(endpoint: Endpoint) -> AsyncIterator[Folder]:
    """Connect and sign in. Raises FolderError."""
    address = endpoint.address
    client = _Client(
        socket_timeout=CALL_SECONDS, connection_timeout=CALL_SECONDS, path_timeout=CALL_SECONDS, encoding="latin-1"
    )
    try:
        try:
            with _plain(f"{address.host}:{address.port}"):
                async with asyncio.timeout(CALL_SECONDS):
                    await client.connect(address.host, address.port)
                    await client.login(_wire(address.user), _wire(endpoint.secret or ""))
        except FileRefusedError as error:
            raise FolderError(str(error)) from None
        yield FtpFolder(client, address.folder)
        with suppress(*_FAULTS):  # all work is done, and the far side may be gone
            async with asyncio.timeout(CALL_SECONDS):
                await client.quit()
    finally:
        client.close()


def _wire(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


@contextmanager
def _plain(what: str) -> Iterator[None]:
    """Map errors: after a refusal the connection is still usable (FileRefusedError), otherwise not (FolderError)."""
    try:
        yield
    except aioftp.StatusCodeError as error:
        raise FileRefusedError(f"{what}: {said(error)}") from None
    except _FAULTS as error:
        raise FolderError(f"{what}: {said(error)}") from None
