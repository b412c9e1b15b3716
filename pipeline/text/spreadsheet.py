"""Protects spreadsheets from formulas in message texts, which come from strangers.

Used for output that people open in a spreadsheet: `antispam query --format csv` and the console's tables, which may be
saved as csv or copied. Files for machines stay exact: JSON, published lists and dictionaries, the black list file for
the SMSC, rejected lines, backups.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_FORMULA = frozenset("=+-@|%")  # | and % begin a formula in some programs only
_SKIPPED = frozenset("\"'`\ufeff")  # characters that programs skip before they look for a formula


def defused(cell: Any) -> Any:
    """The text, with an apostrophe before it if a spreadsheet may take it for a formula.

    The sign of a formula is also recognised in full width and behind blanks, control characters and quotation marks.
    """
    if not isinstance(cell, str) or not cell:
        return cell
    if cell[0] in "\t\r\n":
        return "'" + cell
    for c in cell:
        if c in _SKIPPED or c.isspace() or unicodedata.category(c) in ("Cc", "Cf"):
            continue
        return "'" + cell if unicodedata.normalize("NFKC", c)[0] in _FORMULA else cell
    return cell
