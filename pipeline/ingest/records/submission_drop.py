"""An enterprise's folder: what is done with a file of submissions, and the result that lies beside the file afterwards.

The bytes of a file identify it within its folder: a copy under another name is not submitted again, and gets the result
of the first. The same bytes in another enterprise's folder are another file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pipeline.errors import AntispamError
from pipeline.file_exchange import SubmissionSource
from pipeline.files.results import HEADER, Result, Results, result_row
from pipeline.files.source_file import SourceFile, UnreadableFileError
from pipeline.ingest.files.ingester import Ingested, Ingester
from pipeline.ingest.records.file_rows import RecordFile
from pipeline.settings import Settings

FORGOTTEN = "a file of the same bytes was taken before, and its result is no longer kept"


class SubmissionDrop:
    """The files of one enterprise."""

    def __init__(self, source: SubmissionSource, settings: Settings) -> None:
        self._name = source.name
        self._ingester = Ingester("submissions", settings, source, source.port)
        self._folder = settings.data_dir / "records" / source.name / "results"

    def ingest(self, opened: SourceFile, report: Callable[[Path, int, int], None]) -> Ingested:
        """Submit the lines of a file. `report` and the errors are those of the function `ingest`.

        Raises UnreadableFileError for a file without a line, too: its sender hears of it.
        """
        digest = self._digest(opened.digest)
        self._ingester.forget_ports()  # the process lives long, and ports come and go
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            done = self._ingester.ingest(replace(opened, digest=digest), report, self._folder / digest)
        except OSError as error:  # a full disk must not make a file unreadable
            raise AntispamError(f"{self._folder}: {error.strerror}") from None
        if not (done.accepted or done.rejected or done.duplicates or done.skipped):
            raise UnreadableFileError(f"{opened.path}: no lines")
        return done

    def answer(self, file: RecordFile) -> bytes:
        """The result of a finished file. The same file has the same one each time. Raises AntispamError.

        A file that was given up in the middle has the rows of its committed lines, and one row with the cause.
        """
        rows = b"" if file.digest is None else self._rows(self._digest(file.digest), given_up=bool(file.cause))
        if file.cause:
            rows += result_row(None, "", Result.REFUSED, file.cause)
        return HEADER + (rows or result_row(None, "", Result.DUPLICATE, FORGOTTEN))

    def _rows(self, digest: str, given_up: bool) -> bytes:
        path = self._folder / digest
        try:
            if given_up:  # its last rows are of lines that were never committed
                with Results(path, keep_lines=self._ingester.committed(digest)):
                    pass
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise AntispamError(f"{self._folder}: {error.strerror}") from None

    def close(self) -> None:
        """Close the clients of the broker."""
        self._ingester.close()

    def _digest(self, digest: str) -> str:
        return sha256(f"{self._name} {digest}".encode()).hexdigest()
