"""The registered port of a sender, asked in SQL: `rules/ports.py` answers the same from memory."""

from __future__ import annotations

from sqlalchemy import ColumnElement, ScalarSelect, func, select

from pipeline.store import schema
from pipeline.text.numbers import CODE_LENGTHS


def port_of(sender: ColumnElement[str]) -> ScalarSelect[str]:
    """The longest registered code that prefixes the sender; NULL if none does."""
    code = schema.ports.c.code
    beginnings = [func.substr(sender, 1, length) for length in CODE_LENGTHS]
    return select(code).where(code.in_(beginnings)).order_by(func.length(code).desc()).limit(1).scalar_subquery()
