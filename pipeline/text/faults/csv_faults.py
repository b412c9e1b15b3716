"""What the csv module says of a broken row, in words that a person can act on."""

from __future__ import annotations

import csv


def said(error: csv.Error) -> str:
    """The fault of a row that begins at the line named beside it."""
    if str(error) == "unexpected end of data":
        return 'a quotation mark (") is opened and never closed'
    return str(error)
