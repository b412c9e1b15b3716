"""The kinds of lines in files (submissions, records, complaints), each with its check at the door."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any

import msgspec

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.events import Complaint, Record, Submission
from pipeline.file_exchange import CsvForm
from pipeline.files.columns import Columns, Table
from pipeline.settings import RECORD_FIELDS, Settings

Event = Submission | Record | Complaint
_SEPARATORS = re.compile(r"[;|；｜]")  # between the recipients of one cell; numbers may hold blanks


@dataclass(frozen=True, slots=True)
class LineKind:
    """`line` is the struct of a written line; `check` makes an event of it or raises AntispamError.

    `fields` is the order of csv columns when there is no header.
    """

    line: type[msgspec.Struct]
    check: Callable[[Any, Settings, int, str], Event]
    fields: tuple[str, ...]

    def columns(self, settings: Settings, form: CsvForm | None = None) -> Columns:
        """The columns expected of a csv of this kind, written in this form."""

        def fits(fields: Mapping[str, str]) -> bool:
            try:
                self.check(self._converted(fields), settings, int(time() * 1000), "1")
            except (msgspec.ValidationError, AntispamError):
                return False
            return True

        return Columns(
            self.fields,
            frozenset(f.name for f in msgspec.structs.fields(self.line) if f.required),
            fits,
            named=(settings.record_columns or {}) if self.line is door.RecordIn else {},
            closed=self.line.__struct_config__.forbid_unknown_fields,
            form=form or CsvForm(),
        )

    def read(self, value: Mapping[str, Any], table: Table | None) -> Any:
        """The line struct of a value from `SourceFile.rows`; `table` is the csv's. Raises msgspec.ValidationError."""
        if table is None:
            return msgspec.convert(value, self.line)
        return self._converted(table.fields(value))

    def _converted(self, fields: Mapping[str, str]) -> Any:
        given: dict[str, Any] = dict(fields)
        if "recipients" in given:
            given["recipients"] = [cell for cell in _SEPARATORS.split(fields["recipients"]) if cell.strip()]
        return msgspec.convert(given, self.line, strict=False)


def _order(line: type[msgspec.Struct], *first: str) -> tuple[str, ...]:
    return (*first, *(name for name in line.__struct_fields__ if name not in first))


SUBMISSIONS = LineKind(
    door.SubmissionIn, door.submission, _order(door.SubmissionIn, "id", "port", "recipients", "content")
)
RECORDS = LineKind(door.RecordIn, door.record, RECORD_FIELDS)
COMPLAINTS = LineKind(
    door.ComplaintIn, door.complaint, _order(door.ComplaintIn, "id", "port", "recipient", "complained_at")
)
KINDS = {"submissions": SUBMISSIONS, "records": RECORDS, "complaints": COMPLAINTS}
