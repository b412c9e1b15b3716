"""A folder of files, here or on an FTP or SFTP server: what the intake of record files asks of one.

Every fault of a server, whatever library it comes from, is one of two errors: the folder cannot be
reached (try later), or this file is refused (the others may do). Their texts hold what the server
said, shortened and escaped. All operations take names of files in the folder, never paths.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import AntispamError, UnavailableError

CALL_SECONDS = 30.0  # that one answer, or one block of a file, may take
LIST_SECONDS = 120.0  # that a listing may take
MAX_LISTED = 200_000  # entries read of one listing
MAX_NAME = 255  # characters of a name that is kept; longer ones are no file's
MAX_SIZE = (1 << 63) - 1  # bytes; what the database can hold
BLOCK = 256 * 1024  # bytes
_UNPLAIN = re.compile(r"[^\x20-\x7e]")


class FolderError(UnavailableError):
    """The folder cannot be reached, read or signed in to; the operation may be tried again later."""


class FileRefusedError(AntispamError):
    """The far side refuses what was asked of this one file."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as listed: `size` in bytes, `modified` in the far side's own words (compared, never read)."""

    size: int
    modified: str


def listed(size: str | int | None, modified: str | int | None) -> Listed:
    """What the far side says of a file, whatever that is: a size that cannot be is MAX_SIZE, too large to fetch."""
    told = str(size or 0)[:20]
    plausible = told.isascii() and told.isdigit() and int(told) <= MAX_SIZE
    return Listed(int(told) if plausible else MAX_SIZE, _UNPLAIN.sub("?", str(modified or 0)[:32]))


class Folder(Protocol):
    """The operations. Each raises FolderError or FileRefusedError, and has its time limit."""

    async def files(self) -> dict[str, Listed]:
        """The regular files of the folder, by name."""

    async def stat(self, name: str) -> Listed | None:
        """One file, None if there is none of that name."""

    def blocks(self, name: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file."""

    async def put(self, name: str, content: bytes) -> None:
        """Write a file anew; until this returns it may be there in part."""

    async def rename(self, name: str, target: str) -> None:
        """Give a file another name (or `folder/name` below this folder); a file of that name is replaced."""

    async def remove(self, name: str) -> None:
        """Delete a file."""


def said(error: BaseException) -> str:
    """What an error says, fit for a log: one line, bounded, control characters escaped."""
    return f"{type(error).__name__}: {str(error)[:200]!a}"
