"""What Alembic runs: migrations on the connection `migrate` gives it, or on the settings' database.

The second is for authors: `python -m alembic revision --autogenerate -m "what changes"` in a checkout.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from pipeline.settings import Settings
from pipeline.store.database import database
from pipeline.store.schema import metadata


def _run(connection: Connection) -> None:
    # Batch mode: SQLite cannot alter a column, so its table is made anew and copied.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


_given = context.config.attributes.get("connection")
if _given is not None:
    _run(_given)
else:
    with database(Settings()).write() as _own:
        _run(_own)
