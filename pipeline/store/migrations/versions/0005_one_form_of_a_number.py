"""List entries are kept under the one form of their number, and republished under it.

Entries of `+86138…` blocked nobody. Workers read any spelling from now on, but an entry can only be
found and removed under the form that everything else uses.

The form and the publication are those of the release that runs, on purpose: its workers look numbers up
and its relay reads the outbox. What is imported reads no table, so the tables as they are here suffice.
"""

from __future__ import annotations

from time import time

import sqlalchemy as sa
from alembic import op

from pipeline.rules.lists import NEVER, ListEntry, one_form
from pipeline.store import outbox
from pipeline.store.registry import list_entries

revision = "0005"
down_revision = "0004"

# As they are at this revision; `store/schema.py` moves on.
_entries = sa.table("list_entries", *(sa.column(name) for name in ("list", "value", "reason", "expires_at")))
_epochs = sa.table("epochs", sa.column("last"))
_outbox = sa.table("outbox", *(sa.column(name) for name in ("id", "payload", "created_at")))


def upgrade() -> None:
    """Apply it. Of two entries that are one number the one that lasts longer stays."""
    connection = op.get_bind()
    now = int(time() * 1000)
    changes: list[tuple[str, str, str | None, str | None]] = []
    for row in connection.execute(sa.select(_entries)).all():
        form = one_form(row.list, row.value)
        if form is None or form == row.value:
            continue
        is_old = (_entries.c.list == row.list) & (_entries.c.value == row.value)
        is_new = (_entries.c.list == row.list) & (_entries.c.value == form)
        changes.append(("list", f"{row.list}/{row.value}", None, None))
        there = connection.execute(sa.select(_entries).where(is_new)).first()
        if there is not None and _lasts(there.expires_at) >= _lasts(row.expires_at):
            connection.execute(sa.delete(_entries).where(is_old))
            continue
        connection.execute(sa.delete(_entries).where(is_new))
        connection.execute(sa.update(_entries).where(is_old).values(value=form))
        item = ListEntry(row.list, form, row.reason, _lasts(row.expires_at))
        changes.append(("list", f"{row.list}/{form}", list_entries.text(item), None))
    if changes:
        epoch = connection.execute(
            sa.update(_epochs).values(last=_epochs.c.last + 1).returning(_epochs.c.last)
        ).scalar_one()
        payload = outbox.packed(outbox.config_messages(epoch, now, changes))
        connection.execute(sa.insert(_outbox).values(id=epoch, payload=payload, created_at=now))


def _lasts(expires_at: int | None) -> int:
    return NEVER if expires_at is None else expires_at
