"""The csv file of the dictionary: parses it, and refuses faults with their line.

The header line names the columns, in any order. `word` and `category` are required. Optional are `verdict` (default
review), `severity` (0-100, default 50), `mode` (default evasive), `near` and `unless` (words separated by |), `expires`
(ISO 8601 with zone) and `note`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pipeline.errors import AntispamError
from pipeline.events import Category, Verdict
from pipeline.rules.expiry import NEVER, parse_expiry
from pipeline.rules.words.patterns import check_pattern
from pipeline.text.faults.csv_faults import said
from pipeline.text.faults.suggestion import suggestion

MAX_BYTES = 16 * 1024 * 1024
MAX_WORDS = 200_000
MAX_PATTERNS = 500
MIN_LENGTH, MAX_LENGTH = 2, 64  # code points; a single character is always ambiguous
MAX_PATTERN = 300
MAX_CONTEXT = 20  # words in `near` or `unless`
COLUMNS = ("word", "category", "verdict", "severity", "mode", "near", "unless", "expires", "note")
_VERDICTS = {verdict.value: verdict for verdict in (Verdict.REVIEW, Verdict.REJECT, Verdict.BLACKLIST)}
_CATEGORIES = {category.value: category for category in Category}


class Mode(StrEnum):
    """The spellings of a word that are found: as written; also disguised; also by sound; or a regular expression."""

    EXACT = "exact"
    EVASIVE = "evasive"
    PINYIN = "pinyin"
    REGEX = "regex"


_T = TypeVar("_T")
_MODES = {mode.value: mode for mode in Mode}


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: equal entries stay distinct
class Entry:
    """One word of a dictionary, as written in its file.

    It counts only with a word of `near` close to it (if there are any), never with a word of `unless` close to it, and
    only before `expires` (epoch ms).
    """

    word: str
    category: Category
    verdict: Verdict = Verdict.REVIEW
    severity: int = 50
    mode: Mode = Mode.EVASIVE
    near: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    expires: int = NEVER


def parse_entries(csv_text: str) -> tuple[Entry, ...]:
    """The entries of a dictionary file.

    Raises AntispamError naming the line of the first fault: an unknown column, category, verdict or mode; a word that
    is too short, too long or repeated; a pattern that Hyperscan refuses; too many words.
    """
    if len(csv_text) > MAX_BYTES:
        raise AntispamError(f"dictionary: larger than {MAX_BYTES // 1024 // 1024} MiB")
    rows = csv.reader(io.StringIO(csv_text.removeprefix("\ufeff"), newline=""), strict=True)
    entries: list[Entry] = []
    seen: dict[tuple[str, bool], int] = {}
    patterns = 0
    try:
        columns = _header(rows)
        for row in rows:
            if not row:
                continue
            where = f"dictionary line {rows.line_num}"
            if len(row) != len(columns):
                raise AntispamError(f"{where}: {len(row)} fields; {len(columns)} expected: {','.join(columns)}")
            try:
                entry = _entry(dict(zip(columns, (field.strip() for field in row), strict=True)))
            except AntispamError as error:
                raise AntispamError(f"{where}: {error}") from None
            first = seen.setdefault((entry.word.casefold(), entry.mode is Mode.REGEX), rows.line_num)
            if first != rows.line_num:
                raise AntispamError(f"{where}: {entry.word!r} is already on line {first}")
            patterns += entry.mode is Mode.REGEX
            entries.append(entry)
            if len(entries) > MAX_WORDS or patterns > MAX_PATTERNS:
                raise AntispamError(f"{where}: more than {MAX_WORDS} words or {MAX_PATTERNS} patterns")
    except csv.Error as error:
        raise AntispamError(f"dictionary line {rows.line_num}: {said(error)}") from error
    return tuple(entries)


def with_word(csv_text: str, word: str, category: Category, verdict: Verdict, note: str = "") -> str:
    """The dictionary with one more word at its end, in the columns that it has.

    Raises AntispamError like `parse_entries`, also for a word that is there already.
    """
    columns = _header(csv.reader(io.StringIO(csv_text.removeprefix("\ufeff"), newline="")))
    fields = {"word": word.strip(), "category": category.value, "verdict": verdict.value, "note": note}
    if verdict is not Verdict.REVIEW and "verdict" not in columns:
        raise AntispamError("dictionary: without a column 'verdict', every word is for review")
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([fields.get(column, "") for column in columns])
    text = f"{csv_text.rstrip()}\n{line.getvalue()}"
    parse_entries(text)
    return text


def _header(rows: Iterator[list[str]]) -> list[str]:
    columns = [name.strip() for name in next(rows, [])]
    if not {"word", "category"} <= set(columns):
        raise AntispamError(
            f"dictionary line 1: expected a header of {','.join(COLUMNS)}; word and category must be there"
        )
    for name in columns:
        if name not in COLUMNS or columns.count(name) > 1:
            raise AntispamError(
                f"dictionary line 1: unknown or repeated column {name[:40]!r}; {suggestion(name, COLUMNS)}"
            )
    return columns


def _entry(row: dict[str, str]) -> Entry:
    mode = _one_of(_MODES, row.get("mode") or Mode.EVASIVE, "mode")
    word = row["word"]
    longest = MAX_PATTERN if mode is Mode.REGEX else MAX_LENGTH
    if not MIN_LENGTH <= len(word) <= longest:
        raise AntispamError(f"column word: a word has {MIN_LENGTH} to {longest} characters, not {len(word)}")
    if not word.isprintable():
        raise AntispamError("column word: a word may have only printable characters")
    severity = row.get("severity") or "50"
    if not (severity.isascii() and severity.isdigit() and len(severity) <= 3 and int(severity) <= 100):
        raise AntispamError(f"column severity: {severity[:20]!r} is not a number from 0 to 100")
    entry = Entry(
        word,
        _one_of(_CATEGORIES, row["category"], "category"),
        _one_of(_VERDICTS, row.get("verdict") or Verdict.REVIEW, "verdict"),
        int(severity),
        mode,
        _words(row.get("near", ""), "near"),
        _words(row.get("unless", ""), "unless"),
        parse_expiry(row.get("expires", "")),
    )
    if mode is Mode.REGEX:
        check_pattern(word)
    return entry


def _one_of(known: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in known:
        raise AntispamError(f"column {what}: unknown {what} {name[:40]!r}; {suggestion(name, known)}")
    return known[name]


def _words(field: str, what: str) -> tuple[str, ...]:
    words = tuple(word for part in field.split("|") if (word := part.strip()))
    if len(words) > MAX_CONTEXT or any(len(word) > MAX_LENGTH for word in words):
        raise AntispamError(f"column {what}: up to {MAX_CONTEXT} words of {MAX_LENGTH} characters, separated by |")
    return words
