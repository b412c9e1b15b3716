"""A file with entries about the lines of an input. A run that was killed is continued without loss or repetition.

A fault of the disk, such as no room, is an AntispamError that names the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pipeline.errors import AntispamError
from pipeline.files.sync_folder import sync_folder


class KeptLines:
    """Entries, one a line, in the order of the input. The file is created with the first entry."""

    def __init__(self, path: Path, line_of: Callable[[bytes], int], keep_lines: int = 0) -> None:
        """`line_of` reads the input line of an entry, 0 for an entry that was left half written.

        Entries up to line `keep_lines`, written by an interrupted run, are kept; later entries are removed.
        """
        self.path = path
        self.count = 0
        self._file: IO[bytes] | None = None
        kept = []
        with _named(path):
            if keep_lines and path.exists():
                kept = [entry for entry in path.read_bytes().splitlines(True) if 0 < line_of(entry) <= keep_lines]
            if kept:
                _rewrite(path, b"".join(kept))
                self._file, self.count = path.open("ab"), len(kept)
            elif path.is_file():  # never a device such as /dev/null
                path.unlink()

    def write(self, entry: bytes) -> None:
        """Add an entry that ends with its line end."""
        with _named(self.path):
            if self._file is None:
                self._file = self.path.open("wb")
            self._file.write(entry)
        self.count += 1

    def flush(self) -> None:
        """Make all entries durable, before their lines are committed."""
        if self._file is not None:
            with _named(self.path):
                self._file.flush()
                if self.path.is_file():
                    os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._file is not None:
            with _named(self.path):
                self._file.close()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AntispamError(f"{path}: {error.strerror}") from None


def _rewrite(path: Path, entries: bytes) -> None:
    """Replace the file. At each moment, one of the two is whole on the disk: the lines of its entries are committed."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(entries)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
