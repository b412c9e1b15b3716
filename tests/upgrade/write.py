"""Write the data of the version at hand, for versions to come to read.

    python -m tests.upgrade.write tests/upgrade/v0.2.0

Run it once, in a checkout of the tag, and commit the folder; it is never written again. It holds invented data and test
keys only:

    operational.sql   the operational database
    topics.jsonl      one record of each topic
    state.json        the changelog of one partition's counters: [key, value], base64
    lake.tar.gz       the lake's tables, a row or more in each
    model/            a model of a few weights, and the score it gives TEXT
"""

from __future__ import annotations

import base64
import json
import sqlite3
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from sqlalchemy import insert

import pipeline.rules
from pipeline import topics
from pipeline.events import encode
from pipeline.lake import delta
from pipeline.lake.batch import Batch, Received
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import FULL, SHARED
from pipeline.models.classifier import Classifier, weights_version
from pipeline.rules.counting.counters import Counter
from pipeline.store import audit, outbox, schema
from pipeline.store.database import Database
from pipeline.store.migrate import migrate
from pipeline.stream.state import PartitionState
from tests.upgrade.invented import AUDIT_KEY, NOW, PORT, PRIVACY_KEY, TEXT, records, rows, submission

OWN = {  # topics without a table in the lake
    topic.name
    for topic in (topics.INGEST, topics.AUDIT_HEADS, topics.COUNTER_INCREMENTS, topics.COUNTER_VALUES, topics.PARTS)
}
OFFSET = 7  # of each record in the lake
COUNTER = Counter("port_messages_5m", "submission", ("port",), 300_000, "messages", None, "messages of a port")


def main(folder: Path) -> None:
    """Write all of it into a folder that does not exist yet."""
    folder.mkdir(parents=True)
    write_database(folder / "operational.sql")
    write_topics(folder / "topics.jsonl")
    write_state(folder / "state.json")
    write_lake(folder / "lake.tar.gz")
    write_model(folder / "model")


def write_database(path: Path) -> None:
    """A row or two of every table, the audit trail signed with AUDIT_KEY."""
    policy = (Path(pipeline.rules.__file__ or "").with_name("defaults") / "policy.yaml").read_text(encoding="utf-8")
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "operational.db"
        db = Database(f"sqlite:///{file}", AUDIT_KEY)
        migrate(db)
        with db.write() as connection:
            for name, given in rows(policy).items():
                table = schema.metadata.tables[name]
                unset = [c.name for c in table.columns if all(row.get(c.name, None) is None for row in given)]
                if unset:
                    raise SystemExit(f"{name}: no row has {', '.join(unset)}")
                connection.execute(insert(table), given)
            audit.record(
                connection, NOW, "anna", "suspend", f"port/{PORT}", {"state": "open"}, {"state": "suspended"}, "x"
            )
            audit.record(connection, NOW + 1, audit.PIPELINE, "list", "list/black/1****", None, {"until": NOW})
            outbox.publish_config(connection, NOW, [("port", PORT, "{}", None), ("port", "10690009", None, None)])
            done = outbox.publish(connection, NOW, (topics.REVIEWS, "case-1", records()[topics.REVIEWS.name]))
            outbox.mark_published(connection, [done], NOW)
            empty = [n for n, t in schema.metadata.tables.items() if connection.execute(t.select()).first() is None]
            if empty:
                raise SystemExit(f"no row of {', '.join(empty)}")
        db.close()
        with sqlite3.connect(file) as raw:
            path.write_text("\n".join(raw.iterdump()) + "\n", encoding="utf-8")
        raw.close()


class Line(msgspec.Struct):
    """One record with its topic; the record's bytes are those that lie on the topic."""

    topic: str
    record: msgspec.Raw


def write_topics(path: Path) -> None:
    """The records as they lie on their topics."""
    given = records()
    left = {t.name for t in topics.FIXED if t.value is not None} - set(given)
    if left:
        raise SystemExit(f"no record of {', '.join(sorted(left))}")
    for name, event in given.items():
        wire = json.loads(encode(event))
        unset = [field for field in event.__struct_fields__ if field not in wire]
        if unset:
            raise SystemExit(f"{name}: {', '.join(unset)} left at the default")
    lines = [msgspec.json.encode(Line(name, msgspec.Raw(encode(event)))) for name, event in given.items()]
    path.write_bytes(b"\n".join(lines) + b"\n")


def write_state(path: Path) -> None:
    """A window that counted 3, a round decided at offset 9 of lane 1, a submission decided at offset 5 of lane 0."""
    state = PartitionState()
    window = state.window(COUNTER.identity, PORT, NOW)
    window.include(0, 5)
    COUNTER.move(window, NOW, 1)
    COUNTER.move(window, NOW + COUNTER.width, 2)
    for number, lane, offset in ((1, 1, 9), (0, 0, 5)):
        admitted = state.decided.admit(msgspec.structs.replace(submission("s1"), round=number), lane, offset)
        if admitted is None:
            raise SystemExit(f"round {number} is not admitted")
        state.decided.note(admitted, NOW)
    changes = [[base64.b64encode(part or b"").decode() for part in change] for change in state.changes()]
    path.write_text(json.dumps(changes, indent=1) + "\n")


def write_lake(path: Path) -> None:
    """Each topic's record in its table, as the sink writes them, and texts and bytes under `full`."""
    with TemporaryDirectory() as scratch:
        lake = Path(scratch)
        tables = {table.name: delta.open_table(lake, table) for table in SHARED + FULL}
        for name, event in records().items():
            if name in OWN:
                continue
            app_id = f"cluster/{name}/0"
            batch = Batch(Privacy(PRIVACY_KEY))
            received = Received(name, 0, OFFSET, NOW, b"key", encode(event))
            batch.read([received], name, app_id, dict.fromkeys(tables), lambda _: True)
            if batch.undecodable:
                raise SystemExit(f"{name}: {batch.cause}")
            for table, columns in batch.build().items():
                if columns is not None:
                    delta.append(tables[table], columns, {app_id: None}, {app_id: OFFSET})
        with tarfile.open(path, "w:gz") as packed:
            packed.add(lake, ".", filter=lambda found: None if found.name.endswith(".lock") else found)


def write_model(folder: Path) -> None:
    """The shipped model's card with weights of zero but for every thousandth, and the score it gives TEXT."""
    shipped = Classifier.load()
    spam = np.zeros_like(shipped._spam)
    spam[:, ::1000] = 100
    category = np.zeros_like(shipped._category, dtype=np.int8)
    card = msgspec.structs.replace(shipped.card, sources=(), metrics={}, weaknesses=("it is a test's",))
    card = msgspec.structs.replace(card, version=weights_version(spam, category, card))
    model = Classifier(spam, category, card)
    model.save_weights(folder)
    card.save(folder / "card.json")
    (folder / "score.json").write_text(json.dumps(model.classify([TEXT])[0].score) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
