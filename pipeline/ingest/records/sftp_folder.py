"""A folder on an SFTP server (asyncssh). A server is refused unless its host key is in the known hosts file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import asyncssh

from pipeline.file_exchange import Endpoint
from pipeline.ingest.records.folder import (
    BLOCK,
    CALL_SECONDS,
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

_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)


class SftpFolder:
    """One signed-in connection. It cannot be used after a FolderError."""

    def __init__(self, client: asyncssh.SFTPClient, folder: str) -> None:
        self._client = client
        self._folder = folder.rstrip("/")

    async def files(self) -> dict[str, Listed]:
        """See Folder."""
        found: dict[str, Listed] = {}
        async with _plain("listing"):
            entries = aiter(self._client.scandir(self._folder or "/"))
            while len(found) < MAX_LISTED:
                async with asyncio.timeout(CALL_SECONDS):
                    entry = await anext(entries, None)
                if entry is None:
                    break
                kind, name = entry.attrs.type, str(entry.filename)
                if kind in (asyncssh.FILEXFER_TYPE_REGULAR, asyncssh.FILEXFER_TYPE_UNKNOWN) and len(name) <= MAX_NAME:
                    found[name] = listed(entry.attrs.size, entry.attrs.mtime)
        return found

    async def stat(self, name: str) -> Listed | None:
        """See Folder."""
        async with _plain(name), asyncio.timeout(CALL_SECONDS):
            try:
                found = await self._client.stat(self._path(name))
            except asyncssh.SFTPNoSuchFile:
                return None
            return listed(found.size, found.mtime)

    async def blocks(self, name: str) -> AsyncGenerator[bytes, None]:
        """See Folder."""
        async with _plain(name):
            async with asyncio.timeout(CALL_SECONDS):
                file = await self._client.open(self._path(name), "rb")
            async with file:
                while True:
                    async with asyncio.timeout(CALL_SECONDS):
                        block = cast(bytes, await file.read(BLOCK))  # the file was opened as binary
                    if not block:
                        return
                    yield block

    async def put(self, name: str, content: bytes) -> None:
        """See Folder."""
        with writing():
            async with _plain(name):
                async with asyncio.timeout(CALL_SECONDS):
                    file = await self._client.open(self._path(name), "wb")
                async with file:
                    for start in range(0, len(content), BLOCK):
                        async with asyncio.timeout(CALL_SECONDS):
                            await file.write(content[start : start + BLOCK])

    async def rename(self, name: str, target: str) -> None:
        """See Folder. If the server cannot replace files, the other file is deleted first."""
        source, goal = self._path(name), self._path(target)
        async with _plain(name), asyncio.timeout(CALL_SECONDS):
            try:
                await self._client.posix_rename(source, goal)
            except asyncssh.SFTPOpUnsupported:
                if await self._client.exists(goal):
                    await self._client.remove(goal)
                await self._client.rename(source, goal)

    async def remove(self, name: str) -> None:
        """See Folder."""
        async with _plain(name), asyncio.timeout(CALL_SECONDS):
            await self._client.remove(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"


@asynccontextmanager
async def sftp_folder(endpoint: Endpoint, known_hosts: Path) -> AsyncIterator[Folder]:
    """Connect, check the host key and sign in. Raises FolderError."""
    address = endpoint.address
    where = f"{address.host}:{address.port}"
    if not known_hosts.is_file():
        raise FolderError(f"{where}: no host keys to check against: {known_hosts} is missing")
    key = endpoint.key
    async with _plain(where):
        connection = await asyncssh.connect(
            address.host,
            address.port,
            username=address.user,
            config=None,
            agent_path=None,
            # A list, never None: asyncssh takes None for "check nothing".
            known_hosts=str(known_hosts),
            client_keys=None if key is None else [str(key)],
            passphrase=endpoint.secret if key else None,
            password=None if key else endpoint.secret,
            gss_host=None,
            connect_timeout=CALL_SECONDS,
            login_timeout=CALL_SECONDS,
            keepalive_interval=CALL_SECONDS / 2,
            keepalive_count_max=2,
        )
    try:
        async with _plain(where), asyncio.timeout(CALL_SECONDS):
            client = await connection.start_sftp_client(path_errors="surrogateescape")
        yield SftpFolder(client, address.folder)
    finally:
        connection.abort()


@asynccontextmanager
async def _plain(what: str) -> AsyncIterator[None]:
    """Map errors: after a refusal the connection is still usable (FileRefusedError), otherwise not (FolderError)."""
    try:
        yield
    except asyncssh.SFTPError as error:
        if isinstance(error, _LOST):
            raise FolderError(f"{what}: {said(error)}") from None
        raise FileRefusedError(f"{what}: {said(error)}") from None
    except (asyncssh.Error, OSError, EOFError, ValueError) as error:
        raise FolderError(f"{what}: {said(error)}") from None
