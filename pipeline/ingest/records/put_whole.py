"""Writes a file to a far folder, whole or not at all."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from pipeline.file_exchange import Endpoint
from pipeline.ingest.records.folder import FileRefusedError, Folder, FolderError, NotWrittenError
from pipeline.ingest.records.open_folder import open_folder

PUT_SECONDS = 600.0  # time limit for an upload


def put_whole(target: Endpoint, name: str, known_hosts: Path, content: bytes) -> None:
    """Upload under a temporary name, then rename: the far side sees the old file or the new file, never half of it.

    Raises FolderError.
    """
    asyncio.run(_put_whole(target, name, known_hosts, content))


async def _put_whole(target: Endpoint, name: str, known_hosts: Path, content: bytes) -> None:
    try:
        async with open_folder(target, known_hosts) as folder:
            await put_beside(folder, name, content)
    except FileRefusedError as error:
        raise FolderError(str(error)) from None


async def put_beside(folder: Folder, name: str, content: bytes) -> None:
    """As `put_whole`, into a folder that is open. Raises FolderError, and FileRefusedError."""
    part = f".{name}.part"
    try:
        async with asyncio.timeout(PUT_SECONDS):
            try:
                await folder.put(part, content)
            except NotWrittenError:
                with suppress(FileRefusedError):  # a half of the file must not fill the disk for the others
                    await folder.remove(part)
                raise
            there = await folder.stat(part)
            if there is None or there.size != len(content):
                raise FolderError(f"{part}: only a part of the file arrived")
            await folder.rename(part, name)
    except TimeoutError:
        raise FolderError(f"{name}: took more than {PUT_SECONDS:.0f} s") from None
