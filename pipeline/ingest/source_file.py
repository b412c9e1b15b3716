"""A file as it comes: jsonl or csv, plain or gzip, UTF-8 or GBK, read line by line with bounds.

A file is named by the hash of its bytes, so a copy under another name is the same file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import msgspec

from pipeline.errors import AntispamError

MAX_LINE = 1 << 20  # bytes; the largest submission (10,000 recipients) needs 160 kB
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What one pass over the bytes tells: `digest` (hex), `size` in bytes, `encoding`, `format`."""

    path: Path
    digest: str
    size: int
    encoding: str
    format: str

    def rows(self) -> Iterator[tuple[int, Any, str, int]]:
        """(line number, value, fault, compressed bytes read so far) for each line.

        The value is a dict; where a line cannot be read it is the raw line and `fault` says why.
        """
        with self.path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if _is_gzip(self.path) else raw as stream:
            try:
                for number, value, fault in self.read(stream):
                    yield number, value, fault, raw.tell()
            except (OSError, EOFError) as error:
                raise AntispamError(f"{self.path}: {error}") from None

    def read(self, stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, Any, str]]:
        """(line number, value, fault) of each line of a stream in this file's format."""
        return self._csv(stream) if self.format == "csv" else self._jsonl(stream)

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

    def _csv(self, stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, Any, str]]:
        csv.field_size_limit(MAX_LINE)
        text = io.TextIOWrapper(stream, encoding=self.encoding, errors="surrogateescape", newline="")
        reader = csv.DictReader(text)
        header = reader.fieldnames or ()
        if header:
            reader.fieldnames = [name.removeprefix("\ufeff").strip() for name in header]
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, "", f"not csv: {error}"
                continue
            if None in row or None in row.values():
                kept = {str(k): v for k, v in row.items()}
                yield reader.line_num, kept, f"{len(reader.fieldnames or ())} columns expected"
            elif any(_undecoded(value) for value in row.values()):
                kept = {k: v.encode(self.encoding, "surrogateescape").decode("latin-1") for k, v in row.items()}
                yield reader.line_num, kept, f"not {self.encoding}"
            else:
                yield reader.line_num, row, ""


def open_source(path: Path) -> SourceFile:
    """Hash a file and learn its format and encoding. Raises AntispamError if it cannot be read.

    UTF-8 if all of it is UTF-8, GB18030 (which holds GBK) otherwise; csv by its name.
    """
    names = [suffix.lower() for suffix in path.suffixes]
    digest = sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8 = True
    try:
        with path.open("rb") as raw:
            while block := raw.read(_BLOCK):
                digest.update(block)
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as stream:
            while utf8 and (block := stream.read(_BLOCK)):
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    utf8 = False
        size = path.stat().st_size
    except (OSError, EOFError) as error:
        raise AntispamError(f"{path}: {error}") from None
    encoding = "utf-8" if utf8 else "gb18030"
    return SourceFile(path, digest.hexdigest(), size, encoding, "csv" if ".csv" in names[-2:] else "jsonl")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _undecoded(value: str) -> bool:
    return any("\udc80" <= c <= "\udcff" for c in value)
