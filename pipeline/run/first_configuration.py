"""The configuration with which `antispam up` starts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import time

from pipeline.decision.configuration import directory_entries
from pipeline.sample.config import write_config
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.accounts.users import first_administrator
from pipeline.store.migrate import open_database
from pipeline.store.registry import import_configuration


def configure(settings: Settings, demo: bool, config: Path | None) -> str | None:
    """Load the folder's entries that the database lacks. Changes made by people since then stay.

    Returns the one-time password of the first administrator if there was no user yet. Raises AntispamError for an
    entry that cannot be put in force.
    """
    now = int(time() * 1000)
    if demo and config is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
            write_config(Path(folder), now)
            entries = list(directory_entries(Path(folder)))
    else:
        entries = list(directory_entries(config))
    db = open_database(settings)
    import_configuration.add(db, User("up", Role.ADMINISTRATOR), entries, now)
    password = first_administrator(db, now)
    db.close()
    return password
