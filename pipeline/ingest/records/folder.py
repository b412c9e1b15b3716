"""A folder of files, local or on an FTP or SFTP server: the operations that fetching record files needs.

Every fault of a server, from any library, becomes one of two errors: the folder cannot be reached (try later), or
this file is refused (other files may work). The error text holds the server's words, shortened and escaped. All
operations take the names of files in the folder, never paths.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import AntispamError, UnavailableError

CALL_SECONDS = 30.0  # time limit for one answer, or one block of a file
LIST_SECONDS = 120.0  # time limit for a listing
MAX_LISTED = 200_000  # entries read of one listing
MAX_NAME = 255  # characters; entries with longer names are skipped
MAX_SIZE = (1 << 63) - 1  # bytes; the largest number that the database can store
BLOCK = 256 * 1024  # bytes
_UNPLAIN = re.compile(r"[^\x20-\x7e]")


class FolderError(UnavailableError):
    """The folder cannot be reached or read, or sign-in fails. Trying again later may help."""


class FileRefusedError(AntispamError):
    """The far side refuses an operation on this file."""


class NotWrittenError(FileRefusedError):
    """The far side does not take the bytes of a file, because its disk is full or it gives no right to write."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A listed file: `size` in bytes, `modified` as the far side writes it (compared, never parsed)."""

    size: int
    modified: str


def listed(size: str | int | None, modified: str | int | None) -> Listed:
    """A file as the far side describes it. An impossible size becomes MAX_SIZE, which is too large to fetch."""
    told = str(size or 0)[:20]
    plausible = told.isascii() and told.isdigit() and int(told) <= MAX_SIZE
    return Listed(int(told) if plausible else MAX_SIZE, _UNPLAIN.sub("?", str(modified or 0)[:32]))


class Folder(Protocol):
    """The operations. Each has a time limit and raises FolderError or FileRefusedError."""

    async def files(self) -> dict[str, Listed]:
        """The regular files of the folder, by name."""

    async def stat(self, name: str) -> Listed | None:
        """One file; None if no file has this name."""

    def blocks(self, name: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file."""

    async def put(self, name: str, content: bytes) -> None:
        """Write a file, replacing an old one. Until this returns, the far side may hold a part of it.

        A refusal is a NotWrittenError.
        """

    async def rename(self, name: str, target: str) -> None:
        """Rename a file (to `folder/name` below this folder, too). An existing file of the new name is replaced."""

    async def remove(self, name: str) -> None:
        """Delete a file."""


@contextmanager
def writing() -> Iterator[None]:
    """A refusal inside is one to take the bytes of a file."""
    try:
        yield
    except FileRefusedError as error:
        raise NotWrittenError(str(error)) from None


def said(error: BaseException) -> str:
    """An error's text made safe for a log: one line, bounded, control characters escaped."""
    return f"{type(error).__name__}: {str(error)[:200]!a}"
