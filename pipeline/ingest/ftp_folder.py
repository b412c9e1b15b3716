"""A folder on an FTP server (aioftp), passive mode only.

Names travel as bytes: a server that does not speak UTF-8 must not make the whole listing unreadable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aioftp

from pipeline.file_exchange import Place
from pipeline.ingest.folders import BLOCK, CALL_SECONDS, MAX_LISTED, FileRefusedError, Folder, FolderError, Listed, said

# What aioftp raises, and what its parsing raises on answers that are none.
_FAULTS = (aioftp.AIOFTPException, OSError, EOFError, ValueError, LookupError)


class FtpFolder:
    """One signed-in connection; after FolderError it is of no more use."""

    def __init__(self, client: aioftp.Client, folder: str) -> None:
        self._client = client
        self._folder = _wire(folder.rstrip("/"))

    async def files(self) -> dict[str, Listed]:
        """See Folder."""
        found: dict[str, Listed] = {}
        with _plain("listing"):
            async for path, info in self._client.list(self._folder or "/"):
                if info["type"] == "file" and len(found) < MAX_LISTED:
                    name = path.name.encode("latin-1").decode("utf-8", "surrogateescape")
                    found[name] = Listed(int(info["size"]), info["modify"][:32])
        return found

    async def stat(self, name: str) -> Listed | None:
        """See Folder."""
        try:
            with _plain(name):
                info = await self._client.stat(self._path(name))
                return Listed(int(info["size"]), info["modify"][:32])
        except FileRefusedError:
            return None  # 550 is all that FTP has for it

    async def blocks(self, name: str) -> AsyncGenerator[bytes, None]:
        """See Folder."""
        with _plain(name):
            async with self._client.download_stream(self._path(name)) as stream:
                async for block in stream.iter_by_block(BLOCK):
                    yield block

    async def put(self, name: str, content: bytes) -> None:
        """See Folder."""
        with _plain(name):
            async with self._client.upload_stream(self._path(name)) as stream:
                for start in range(0, len(content), BLOCK):
                    await stream.write(content[start : start + BLOCK])

    async def rename(self, name: str, target: str) -> None:
        """See Folder. Where the server does not replace, the other file is deleted first."""
        try:
            with _plain(name):
                await self._client.rename(self._path(name), self._path(target))
        except FileRefusedError:
            with suppress(FileRefusedError):  # perhaps there is none, and the second try says what is wrong
                await self.remove(target)
            with _plain(name):
                await self._client.rename(self._path(name), self._path(target))

    async def remove(self, name: str) -> None:
        """See Folder."""
        with _plain(name):
            await self._client.remove_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{_wire(name)}"


@asynccontextmanager
async def ftp_folder(place: Place) -> AsyncIterator[Folder]:
    """Connect and sign in. Raises FolderError."""
    address = place.address
    client = aioftp.Client(
        socket_timeout=CALL_SECONDS, connection_timeout=CALL_SECONDS, path_timeout=CALL_SECONDS, encoding="latin-1"
    )
    try:
        try:
            with _plain(f"{address.host}:{address.port}"):
                await client.connect(address.host, address.port)
                await client.login(_wire(address.user), _wire(place.secret or ""))
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
    """An answer that refuses leaves the connection usable; everything else does not."""
    try:
        yield
    except aioftp.StatusCodeError as error:
        raise FileRefusedError(f"{what}: {said(error)}") from None
    except _FAULTS as error:
        raise FolderError(f"{what}: {said(error)}") from None
