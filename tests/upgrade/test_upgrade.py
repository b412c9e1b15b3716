"""What a tagged version wrote is read by this one. `write.py` wrote the folders; their data never changes."""

from __future__ import annotations

import base64
import json
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select, table

from pipeline import events, topics
from pipeline.actions.holds import holds
from pipeline.actions.review import case_list, claims
from pipeline.actions.status import role as callbacks
from pipeline.actions.status import statuses
from pipeline.lake import connect, delta
from pipeline.lake.privacy import Privacy
from pipeline.lake.rolling import open_rollup
from pipeline.lake.rollups import ROLLUPS
from pipeline.lake.tables import DEAD_BYTES, SHARED, TEXTS, Origin, decoder_of, table_of
from pipeline.models.classifier import Classifier
from pipeline.rules.counting.windows import Window
from pipeline.settings import Settings
from pipeline.store import audit, outbox, report_outbox, schema
from pipeline.store.accounts import api_keys, sessions, users
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.migrate import head, migrate, revision
from pipeline.store.registry import list_entries, ports, registry
from pipeline.stream.state import PartitionState
from tests.upgrade.invented import (
    API_KEY,
    AUDIT_KEY,
    DAY,
    NOW,
    PASSWORD,
    PHONES,
    PORT,
    PRIVACY_KEY,
    SESSION,
    TEXT,
    submission,
)
from tests.upgrade.write import OFFSET, OWN, Line, main

pytestmark = pytest.mark.long

VERSIONS = sorted(Path(__file__).parent.glob("v*"))
ANNA = User("anna", Role.ADMINISTRATOR)
DUE = NOW + 2 * DAY


@pytest.fixture(params=VERSIONS, ids=lambda folder: folder.name)
def version(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def file(version: Path, tmp_path: Path) -> Path:
    """The version's operational database, not yet migrated."""
    path = tmp_path / "operational.db"
    with sqlite3.connect(path) as raw:
        raw.executescript((version / "operational.sql").read_text(encoding="utf-8"))
    raw.close()
    return path


@pytest.fixture
def db(file: Path) -> Iterator[Database]:
    """The version's operational database, migrated by this one."""
    made = Database(f"sqlite:///{file}", AUDIT_KEY)
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def lake(version: Path, tmp_path: Path) -> Path:
    with tarfile.open(version / "lake.tar.gz") as packed:
        packed.extractall(tmp_path / "lake", filter="data")
    return tmp_path / "lake"


def test_migrations_lead_to_the_schema_and_lose_no_row(file: Path) -> None:
    before = Database(f"sqlite:///{file}", AUDIT_KEY)
    with before.read() as connection:
        names = (
            connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            .scalars()
            .all()
        )
        count = {name: connection.scalar(select(func.count()).select_from(table(name))) for name in names}
        unclosed = connection.exec_driver_sql(
            "SELECT count(*) FROM cases WHERE state IN ('open', 'decided')"
            " AND id NOT IN (SELECT subject FROM timers WHERE kind = 'review-closed')"
        ).scalar_one()
    count["timers"] = (count["timers"] or 0) + unclosed  # each of these cases gets its closing time
    migrate(before)
    with before.read() as connection:
        assert revision(connection) == head()
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        left = {name: connection.scalar(select(func.count()).select_from(table(name))) for name in names}
    before.close()
    assert left == count


def test_the_audit_trail_verifies(db: Database) -> None:
    with db.write() as connection:
        assert audit.first_broken(connection) is None
        audit.record(connection, DUE, "anna", "resume", f"port/{PORT}")
        assert audit.first_broken(connection) is None


def test_what_was_to_be_published_is_published(db: Database) -> None:
    value = {topic.name: topic.value for topic in topics.FIXED}
    with db.read() as connection:
        ((_, publication),) = outbox.unpublished(connection, 10)
        ((_, _, report),) = report_outbox.unpublished(connection, 10)
    for message in publication.messages:
        kind = value[message.topic]
        assert kind is not None
        assert msgspec.json.decode(message.value or b"", type=kind)
    assert msgspec.json.decode(report, type=events.DeliveryReport).carrier_id == "77"


def test_people_and_keys_still_sign_in(db: Database) -> None:
    user = sessions.user_of(db, SESSION, NOW + 1, active=False)
    assert user == ANNA
    assert users.sign_in(db, "anna", PASSWORD, DUE)
    assert [(account.name, account.active) for account in users.list_users(db, ANNA, DUE)] == [
        ("anna", True),
        ("bert", False),
    ]
    with db.read() as connection:
        assert api_keys.active(connection) == {api_keys.hashed(API_KEY): PORT}


def test_the_registry_is_as_it_was(db: Database) -> None:
    with db.read() as connection:
        port = ports.find(connection, PORT)
        (listed,) = list_entries.load(connection)
    assert port is not None
    assert (port.state, port.tier, port.enterprise, port.volume_5m) == ("suspended", "high", "e-1", 4000)
    assert port.signatures == ("示例地产",)
    assert [template.id for template in port.templates] == ["t1"]
    ports.check(port)
    assert (listed.list, listed.value, listed.expires) == ("black", PHONES[0], NOW + DAY)


def test_its_shipped_policy_can_still_be_put_in_force(db: Database) -> None:
    policy = registry.configuration(db, "policy", "policy")
    assert policy is not None
    registry.check([("policy", "policy", policy)])


def test_holds_come_back(db: Database) -> None:
    with db.write() as connection:
        due = holds.claim_due(connection, DUE, "timers", 10, lambda _: "key")
    assert {(hold.submission.id, hold.key, hold.ended) for hold in due} == {("s1", PORT, False), ("s2", "key", True)}
    newer = {
        "origin": None,
        "missing_parts": (),
        "mixed_parts": False,
        "push": None,
        "confirms": False,
    }  # fields that v0.1.0 did not have
    held = [msgspec.structs.replace(hold.submission, **newer) for hold in due]
    assert msgspec.structs.replace(submission("s1"), **newer) in held


def test_a_case_can_be_decided(db: Database) -> None:
    (waiting,) = case_list.list_cases(db, ANNA, DUE).cases
    assert (waiting.id, waiting.rule, waiting.messages) == ("case-1", "bulk-declared", 2)
    (claimed,) = claims.claim(db, ANNA, DUE, 10)
    assert claimed.content == TEXT
    claims.decide(db, ANNA, "case-1", "reject", "", DUE, claimed.last_member)
    assert claims.case_view(db, ANNA, "case-1", DUE).verdict == "reject"


def test_a_sender_is_told_what_became_of_a_submission(db: Database) -> None:
    with db.read() as connection:
        status = statuses.status_of(connection, PORT, "s1")
        assert status is not None
        assert [recipient.state for recipient in status.recipients] == ["delivered", "rejected"]
    (waiting,) = callbacks.claim(db, DUE, 10)
    assert json.loads(waiting.body)["id"] == "s1"


def test_records_of_every_topic_are_read_whole(version: Path) -> None:
    """Each field that is on the wire is a field of today's record, and has today the value it had."""
    value = {topic.name: topic.value for topic in topics.all_topics(("default",))}
    for given in lines_of(version):
        kind = value[given.topic]
        assert kind is not None
        read = msgspec.json.decode(events.encode(msgspec.json.decode(given.record, type=kind)))
        assert _lost(json.loads(bytes(given.record)), read) == [], given.topic


def lines_of(version: Path) -> list[Line]:
    lines = (version / "topics.jsonl").read_bytes().splitlines()
    assert lines
    return [msgspec.json.decode(line, type=Line) for line in lines]


def _lost(wire: object, read: object, at: str = "") -> list[str]:
    """Paths at which `read` lacks something of `wire`, or has something else."""
    if isinstance(wire, dict) and isinstance(read, dict):
        return [lost for name in wire for lost in _lost(wire[name], read.get(name), f"{at}.{name}")]
    if isinstance(wire, list) and isinstance(read, list) and len(wire) == len(read):
        return [lost for n, item in enumerate(wire) for lost in _lost(item, read[n], f"{at}[{n}]")]
    return [] if wire == read else [at]


def test_counters_are_rebuilt_from_their_changelog(version: Path) -> None:
    state = PartitionState()
    for key, value in json.loads((version / "state.json").read_bytes()):
        state.load(base64.b64decode(key), base64.b64decode(value), NOW)
    ((identity, table_),) = state.tables.items()
    assert identity.startswith("port_messages_5m@")
    window = table_[PORT]
    assert isinstance(window, Window)
    assert (window.total, window.offsets) == (3, [5, -1])
    for number, lane, offset in ((1, 1, 9), (0, 0, 5)):
        event = msgspec.structs.replace(submission("s1"), round=number)
        assert state.decided.admit(event, lane, offset + 1) is None
        assert state.decided.admit(event, lane, offset) is not None


def test_analysts_views_show_the_rows(version: Path, lake: Path) -> None:
    written = Counter(table_of(line.topic).name for line in lines_of(version) if line.topic not in OWN)
    with connect(Settings(data_dir=lake.parent, _env_file=None)) as connection:
        for shared in SHARED:
            count = connection.sql(f"SELECT count(*) FROM {shared.name}").fetchall()
            assert count == [(written[shared.name],)], shared.name
        assert connection.sql("SELECT id, verdict, port FROM decisions").fetchall() == [("s1", "review", PORT)]
        assert connection.sql("SELECT rule, decided FROM reasons").fetchall() == [("bulk-declared", "review")]
        assert connection.sql("SELECT campaign, messages FROM campaigns").fetchall() == [("c00000000000000aa", 120)]


def test_roll_ups_count_the_rows_of_the_version(version: Path, lake: Path) -> None:
    for rollup in ROLLUPS:
        delta.open_table(lake, rollup.of)
        open_rollup(lake, rollup)
    with connect(Settings(data_dir=lake.parent, _env_file=None)) as connection:
        counts = connection.sql("SELECT sum(decisions), sum(messages + returned) FROM traffic_hourly").fetchall()
        assert counts == connection.sql("SELECT count(*), sum(messages) FROM decisions").fetchall()
        deciding = connection.sql("SELECT rule, decisions FROM rules_hourly WHERE effect = 'deciding'").fetchall()
        assert deciding == [("bulk-declared", 1)]


def test_the_same_record_gives_the_same_row_in_the_lake(version: Path, lake: Path) -> None:
    """Numbers hash, texts mask and times read as they did; the sink goes on from the version's own offsets."""
    privacy = Privacy(PRIVACY_KEY)
    for line in lines_of(version):
        if line.topic in OWN:
            continue
        own, event = table_of(line.topic), decoder_of(line.topic)(bytes(line.record))
        if delta.find_table(lake, own) is None:
            continue  # the version's lake did not keep this topic
        app_id, origin = f"cluster/{line.topic}/0", Origin(line.topic, line.topic, 0, OFFSET + 1, NOW)
        table = delta.open_table(lake, own)
        delta.append(table, own.build([event], [origin], privacy), {app_id: OFFSET}, {app_id: OFFSET + 1})
        rows = [row for row in table.to_pyarrow_table().to_pylist() if row["topic"] == line.topic]
        old, new = sorted(rows, key=lambda row: int(row.pop("offset")))
        assert _as_told(new, old) == _as_told(old, old), line.topic


def _as_told(value: Any, old: Any) -> Any:
    """The value without what an old one does not say, at any depth: columns and fields may come later."""
    if isinstance(old, dict):
        return {name: _as_told(value[name], known) for name, known in old.items() if known is not None}
    if isinstance(old, list):
        return [_as_told(one, known) for one, known in zip(value, old, strict=True)]
    return value


def test_full_texts_are_found(lake: Path) -> None:
    found = delta.find_table(lake, TEXTS)
    assert found is not None
    assert TEXT in found.to_pyarrow_table().column("content").to_pylist()
    assert {TEXTS.name, DEAD_BYTES.name} <= {path.name for path in (lake / "full").iterdir()}


def test_a_published_model_gives_the_same_score(version: Path) -> None:
    (result,) = Classifier.load(version / "model").classify([TEXT])
    assert result.score == json.loads((version / "model" / "score.json").read_bytes())


def test_this_version_can_write_its_own(tmp_path: Path) -> None:
    """It fails when a new field, column, table or topic is missing in `invented.py`."""
    main(tmp_path / "next")
    written = sorted(path.relative_to(tmp_path / "next") for path in (tmp_path / "next").rglob("*"))
    assert written == sorted(path.relative_to(VERSIONS[-1]) for path in VERSIONS[-1].rglob("*"))
