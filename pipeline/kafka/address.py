"""Where the broker is: set, or the embedded one that `antispam up` has written down.

The note lets a second terminal (`antispam ingest`, `antispam dead-letters`) find the broker of the
`up` that runs on the same data folder; it is removed when that ends.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import AntispamError
from pipeline.settings import Settings

_NOTE = "embedded-broker.address"
CLUSTER_PREFIX = "embedded-"  # of the embedded broker's cluster id: how a client knows what it cannot do


def bootstrap(settings: Settings) -> str:
    """The brokers' addresses. Raises AntispamError when there is none."""
    if settings.kafka:
        return settings.kafka
    note = settings.data_dir / _NOTE
    if note.exists():
        return note.read_text().strip()
    raise AntispamError("no broker: start everything with `antispam up`, or set ANTISPAM_KAFKA=host:port")


def write_note(data_dir: Path, address: str) -> Path:
    """Write down the embedded broker's address; the caller removes the file at the end."""
    data_dir.mkdir(parents=True, exist_ok=True)
    note = data_dir / _NOTE
    note.write_text(address)
    return note
