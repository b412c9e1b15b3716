"""An input file: jsonl or csv, plain or gzip, UTF-8 or GBK, read line by line with bounds.

A file is identified by the hash of its bytes, so a copy under another name is the same file.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from pipeline.errors import AntispamError
from pipeline.files.columns import FIRST_LINES, Columns, Table, find_columns
from pipeline.files.csv_rows import Line, lines_of, rows_of

MAX_LINE = 1 << 20  # bytes; the largest submission (10,000 recipients) needs 160 kB
MAX_UNPACKED = 16 << 30  # bytes; gzip can expand data a thousandfold
_BLOCK = 1 << 20
_FEW = 20  # so many undecodable lines are refused singly, whatever else the file holds


class UnreadableFileError(AntispamError):
    """No line of the file can be read; trying again does not help."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The result of one pass over the bytes: `digest` (hex), `size` in bytes, `encoding`, `format`."""

    path: Path
    digest: str
    size: int
    encoding: str
    format: str

    def table(self, wanted: Sequence[Columns]) -> Table | None:
        """How a csv is written, from its first lines; None for jsonl, whose lines need no table.

        Raises UnreadableFileError if the csv matches none of the wanted kinds.
        """
        if self.format != "csv":
            return None
        with self._opened() as (_, stream):
            lines = [line.text for line in islice(self._lines(stream), FIRST_LINES)]
        try:
            return find_columns(lines, wanted)
        except AntispamError as error:
            raise UnreadableFileError(f"{self.path}: {error}") from None

    def rows(self, table: Table | None) -> Iterator[tuple[int, Any, str, int]]:
        """(line number, value, fault, compressed bytes read so far) for each line.

        The value is a dict; the keys of a csv row are the table's column names. If a line cannot be read, the value is
        the raw line and `fault` says why.
        """
        with self._opened() as (raw, stream):
            for number, value, fault in self.read(stream, table):
                yield number, value, fault, raw.tell()

    def plain(self) -> Iterator[tuple[int, str, str, int]]:
        """(line number, line, fault, compressed bytes read so far) for each line as it is written, but blank ones."""
        with self._opened() as (raw, stream):
            for number, text, fault in self._lines(stream):
                if text.strip():
                    yield number, text.rstrip("\r\n"), fault, raw.tell()

    def read(self, stream: IO[bytes] | gzip.GzipFile, table: Table | None) -> Iterator[tuple[int, Any, str]]:
        """(line number, value, fault) of each line of a stream in this file's format."""
        return self._jsonl(stream) if table is None else rows_of(self._lines(stream), table)

    @contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], IO[bytes] | gzip.GzipFile]]:
        """The opened file and the stream of its unpacked content."""
        with self.path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if _is_gzip(self.path) else raw as stream:
            try:
                yield raw, stream
            except (OSError, EOFError, zlib.error) as error:
                raise _fault(self.path, error) from None

    def _lines(self, stream: IO[bytes] | gzip.GzipFile) -> Iterator[Line]:
        # Remove a byte order mark before the first line is split, or a quoted first column would keep its quotes.
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        return lines_of(io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline=""))

    def _jsonl(self, stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, Any, str]]:
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        number = 0
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                while (rest := stream.readline(_BLOCK)) and not rest.endswith(b"\n"):
                    continue
                yield number, line[:200].decode("utf-8", "replace"), f"longer than {MAX_LINE} bytes"
                continue
            if not line.strip():
                continue
            try:
                text = line.decode(self.encoding).removeprefix("\ufeff")
                yield number, decode(text), ""
            except UnicodeDecodeError:
                yield number, line.decode("latin-1"), f"not {self.encoding}"
            except msgspec.MsgspecError as error:
                yield number, text.rstrip("\n"), f"not JSON: {error}"
            except RecursionError:
                yield number, text[:200], "not JSON: nested too deeply"


def open_source(path: Path, most: int | None = None) -> SourceFile:
    """Hash a file and learn its format and encoding. Raises UnreadableFileError if it cannot be read.

    `most` is the size that it may have when it is unpacked; None: MAX_UNPACKED.

    The encoding is GB18030 (a superset of GBK) if most non-ASCII lines are invalid UTF-8: a single broken line must
    not change the characters of all others. The file name tells whether it is csv. A file is refused as a whole when
    its first line holds NUL (UTF-16, binary) or when most of its lines are in neither encoding.
    """
    most = MAX_UNPACKED if most is None else most
    names = [suffix.lower() for suffix in path.suffixes]
    digest = sha256()
    lines = utf8 = other = neither = unpacked = 0
    try:
        if path.exists() and not path.is_file():
            raise UnreadableFileError(f"{path}: not a file")  # a pipe could not be read twice
        with path.open("rb") as raw:
            while block := raw.read(_BLOCK):
                digest.update(block)
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as stream:
            while line := stream.readline(_BLOCK):
                lines, unpacked = lines + 1, unpacked + len(line)
                if unpacked > most:
                    raise UnreadableFileError(f"{path}: more than {most} bytes when unpacked")
                if lines == 1 and b"\0" in line:
                    raise UnreadableFileError(f"{path}: neither UTF-8 nor GBK: its first line holds NUL bytes")
                if line.isascii():
                    continue
                if _decodes(line, "utf-8"):
                    utf8 += 1
                elif _decodes(line, "gb18030"):
                    other += 1
                else:
                    neither += 1
        size = path.stat().st_size
    except (OSError, EOFError, zlib.error) as error:
        raise _fault(path, error) from None
    if neither > max(_FEW, lines // 2):
        raise UnreadableFileError(f"{path}: neither UTF-8 nor GBK: {neither} of {lines} lines cannot be decoded")
    encoding = "gb18030" if other > utf8 else "utf-8"
    return SourceFile(path, digest.hexdigest(), size, encoding, "csv" if ".csv" in names[-2:] else "jsonl")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _fault(path: Path, error: Exception) -> AntispamError:
    """Invalid gzip stays invalid, so the file is unreadable. A disk error may pass, so it can be tried again."""
    if isinstance(error, OSError) and error.strerror:
        return AntispamError(f"{path}: {error.strerror}")
    return UnreadableFileError(f"{path}: {error}")
