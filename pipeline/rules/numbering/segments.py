"""Number segments (号段): finds the carrier of a number by its longest registered prefix.

A subscriber may move to another carrier and keep the number; an override lists these numbers. Routing needs the
carrier of every recipient, so all prefixes are expanded once to equal length: a look-up reads one dictionary entry.

Source of the shipped table: defaults/README.md.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from importlib.resources import files

from pipeline.errors import AntispamError
from pipeline.rules.prefixes import LongestPrefix
from pipeline.text.numbers import number

LONGEST = 5  # digits of the longest prefix
_NUMBER_LENGTHS = frozenset((11, 13))  # digits of a mobile number and of a machine (M2M) number
_PREFIX = re.compile(rf"1[0-9]{{1,{LONGEST - 1}}}")
_NUMBER = re.compile(r"1[0-9]{10}(?:[0-9]{2})?")


class Segments:
    """Immutable map prefix -> carrier; `ported` maps each ported number to its carrier."""

    def __init__(self, carriers: Mapping[str, str], ported: Mapping[str, str] | None = None) -> None:
        self._ported = dict(ported or {})
        segments = LongestPrefix(carriers)
        beginnings = map(str, range(10 ** (LONGEST - 1), 2 * 10 ** (LONGEST - 1)))  # prefixes begin with 1
        self._carriers = {begin: carrier for begin in beginnings if (carrier := segments.find(begin)) is not None}

    def carrier_of(self, number: str) -> str | None:
        """The carrier of a mainland number in national form; None for any other number."""
        carrier = self._ported.get(number)
        if carrier is None and len(number) in _NUMBER_LENGTHS:
            carrier = self._carriers.get(number[:LONGEST])
        return carrier


def parse_segments(text: str, source: str) -> dict[str, str]:
    """Prefix -> carrier from csv `prefix,carrier,kind`. Raises AntispamError naming the line."""
    return _parse(text, source, ("prefix", "carrier", "kind"), _PREFIX, f"a prefix of 2 to {LONGEST} digits from 1")


def parse_ported(text: str, source: str) -> dict[str, str]:
    """Number -> carrier from csv `number,carrier`, numbers in any spelling. Raises AntispamError naming the line."""
    expected = "a mainland number of 11 or 13 digits"
    return _parse(text, source, ("number", "carrier"), _NUMBER, expected, lambda written: number(written) or "")


def shipped_segments() -> dict[str, str]:
    """The table of the package."""
    text = (files("pipeline.rules") / "defaults" / "number_segments.csv").read_text(encoding="utf-8")
    return parse_segments(text, "number_segments.csv")


def _parse(
    text: str,
    source: str,
    columns: tuple[str, ...],
    key: re.Pattern[str],
    expected: str,
    spelled: Callable[[str], str] = str.strip,
) -> dict[str, str]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, str] = {}
    try:
        if tuple(reader.fieldnames or ()) != columns:
            raise AntispamError(f"{source}:1: header must be {','.join(columns)}")
        for row in reader:
            name, carrier = spelled(row[columns[0]] or ""), row["carrier"] or ""
            if not key.fullmatch(name):
                raise AntispamError(f"{source}:{reader.line_num}: {expected} expected")
            if not carrier or found.setdefault(name, carrier) != carrier:
                raise AntispamError(f"{source}:{reader.line_num}: no carrier, or not that of an earlier line")
    except csv.Error as error:
        raise AntispamError(f"{source}:{reader.line_num}: {error}") from None
    return found
