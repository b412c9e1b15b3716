"""Which complaints count for a port: all but those that, as a person said, are about none of its messages."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_

from pipeline.store import schema

_table = schema.complaints
COUNTED: ColumnElement[bool] = or_(_table.c.settled_by.is_(None), _table.c.message != "")
