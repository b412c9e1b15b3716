"""Bad input lines are kept with their line number and their fault, never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from pipeline.files.kept_lines import KeptLines


class Rejected(KeptLines):
    """The file for the bad lines of an input, beside the input (or output)."""

    def __init__(self, path: Path, keep_lines: int = 0) -> None:
        """`keep_lines` as in KeptLines."""
        super().__init__(path, _line_of, keep_lines)

    def add(self, line: int, error: str, raw: Any) -> None:
        """Keep one line. `raw` is the part of it that was read."""
        self.write(rejected_line(line, error, raw))


def rejected_line(line: int, error: str, raw: Any) -> bytes:
    """One line of the file: JSON with the line number, the fault and what was read."""
    return msgspec.json.encode({"line": line, "error": error, "raw": raw}) + b"\n"


def _line_of(entry: bytes) -> int:
    """The line number of an entry; 0 for an entry that a killed run left half written."""
    try:
        return int(msgspec.json.decode(entry)["line"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return 0
