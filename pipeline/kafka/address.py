"""The address of the broker: from the settings, or from the note of a running `antispam up`.

`up` writes the address of its embedded broker into the data folder, so that commands in a second terminal (`antispam
ingest`, `antispam dead-letters`) find it. `up` removes the note at its end.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import AntispamError
from pipeline.settings import Settings

_NOTE = "embedded-broker.address"
CLUSTER_PREFIX = "embedded-"  # of the embedded broker's cluster id, by which clients recognise it and its limits


def bootstrap(settings: Settings) -> str:
    """The brokers' addresses. Raises AntispamError without any."""
    if settings.kafka:
        return settings.kafka
    note = settings.data_dir / _NOTE
    if note.exists():
        return note.read_text().strip()
    raise AntispamError("no broker: start everything with `antispam up`, or set ANTISPAM_KAFKA=host:port")


def write_note(data_dir: Path, address: str) -> Path:
    """Write the note with the embedded broker's address. The caller removes the file at the end."""
    data_dir.mkdir(parents=True, exist_ok=True)
    note = data_dir / _NOTE
    note.write_text(address)
    return note
