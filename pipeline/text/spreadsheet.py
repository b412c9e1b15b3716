"""Cells that a spreadsheet shows and does not compute: texts of strangers come into csv files and tables.

For what people open: `antispam query --format csv` and the console's tables, which a reader may save as csv or
copy. Files that a machine reads stay exact: JSON, lists and dictionaries as they are published, the black list
file for the SMSC, rejected lines, backups.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_FORMULA = frozenset("=+-@|%")  # the last two begin one in some programs
_SKIPPED = frozenset("\"'`\ufeff")  # what programs drop or pass over before they look


def defused(cell: Any) -> Any:
    """A text that a spreadsheet may take for a formula, with an apostrophe before it; anything else as it is.

    Blanks, control characters and quotation marks before the sign do not hide it, nor does full width.
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
