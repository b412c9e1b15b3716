"""What a report consists of, as text files: `reports.yaml` names its tables, and each table is a SQL file.

A SQL file begins with a comment in YAML: title and note in each language, and the columns with heading and form. The
SELECT after it reads `facts.sql` and `facts_by.sql`. So a new table of a report is a text file, and no code. Columns
that several tables have stand once: `after: messages_by` adds those of `messages_by.yaml` after its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
import yaml

from pipeline.actions.reports.period import Span

LANGUAGES = ("zh", "en")

# How a value is shown: a text, a word of words.yaml, a number with thousands, a share of 1 in percent, a time.
Form = Literal["text", "word", "number", "share", "time"]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in each language."""

    zh: str
    en: str

    def __getitem__(self, language: str) -> str:
        return self.zh if language == "zh" else self.en


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column: its heading with the unit, and the form of its values. `bar` draws each value as a length, too."""

    zh: str
    en: str
    form: Form = "text"
    bar: bool = False

    @property
    def heading(self) -> Words:
        """The heading in each language."""
        return Words(self.zh, self.en)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of a report. `sql` is its SELECT, whose columns are `columns`, in this order."""

    title: Words
    columns: dict[str, Column]
    note: Words | None = None
    sql: str = ""
    name: str = ""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report: its title, how long its period is, and the names of its tables."""

    title: Words
    span: Span
    tables: list[str]


@cache
def reports() -> Mapping[str, Report]:
    """The reports by name."""
    return msgspec.convert(_yaml(_text("reports.yaml")), dict[str, Report])


@cache
def words() -> Mapping[str, Words]:
    """What values of form `word` are called."""
    return msgspec.convert(_yaml(_text("words.yaml")), dict[str, Words])


@cache
def table(name: str) -> Table:
    """The table of this name."""
    text, _, sql = _text(f"tables/{name}.sql").removeprefix("/*").partition("*/")
    head = _yaml(text)
    if shared := head.pop("after", None):
        head["columns"] |= _yaml(_text(f"{shared}.yaml"))
    return msgspec.structs.replace(msgspec.convert(head, Table), sql=sql.strip(), name=name)


def facts() -> str:
    """The statements that make the facts, and the views over them; see the two SQL files."""
    return _text("facts.sql") + _text("facts_by.sql")


def _text(name: str) -> str:
    return files("pipeline.actions.reports").joinpath(name).read_text(encoding="utf-8")


def _yaml(text: str) -> Any:
    return yaml.safe_load(text)
