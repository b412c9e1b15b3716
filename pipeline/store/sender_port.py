"""The registered port of a sender as an SQL expression; `rules/ports.py` finds the same port in memory."""

from __future__ import annotations

from sqlalchemy import ColumnElement, ScalarSelect, func, select

from pipeline.store import schema
from pipeline.text.numbers import CODE_LENGTHS


def port_of(sender: ColumnElement[str]) -> ScalarSelect[str]:
    """The longest registered code that is a prefix of the sender; NULL without a match."""
    code = schema.ports.c.code
    beginnings = [func.substr(sender, 1, length) for length in CODE_LENGTHS]
    return select(code).where(code.in_(beginnings)).order_by(func.length(code).desc()).limit(1).scalar_subquery()
