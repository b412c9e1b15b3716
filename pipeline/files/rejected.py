"""Bad input lines are kept with their line number and their fault, never lost."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec


class Rejected:
    """The file for the bad lines of an input, beside the input (or output). It is created with the first bad line."""

    def __init__(self, path: Path, keep_lines: int = 0) -> None:
        """Entries up to line `keep_lines`, written by an interrupted run, are kept; later entries are removed."""
        self.path = path
        self.count = 0
        self._file: IO[bytes] | None = None
        kept = []
        if keep_lines and path.exists():
            kept = [line for line in path.read_bytes().splitlines(True) if 0 < _line_of(line) <= keep_lines]
        if path.is_file():  # never a device such as /dev/null
            path.unlink()
        for line in kept:
            self._write(line)

    def add(self, line: int, error: str, raw: Any) -> None:
        """Keep one line. `raw` is the part of it that was read."""
        self._write(rejected_line(line, error, raw))

    def flush(self) -> None:
        """Flush all entries to the operating system."""
        if self._file is not None:
            self._file.flush()

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
        self._file.write(line)
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def rejected_line(line: int, error: str, raw: Any) -> bytes:
    """One line of the file: JSON with the line number, the fault and what was read."""
    return msgspec.json.encode({"line": line, "error": error, "raw": raw}) + b"\n"


def _line_of(entry: bytes) -> int:
    """The line number of an entry; 0 for an entry that a killed run left half written."""
    try:
        return int(msgspec.json.decode(entry)["line"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return 0
