"""No view, query, export, sum or report shows an analyst a full number or text.

Each field of each event that takes any text holds a number or a text here. So a new column or view that is not masked
fails, and a new column that is empty here fails too: set its field in `tests/upgrade/invented.py`.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from pipeline.actions.explore.filters import COLUMNS, PLACES, SOURCES, Filters
from pipeline.actions.explore.messages import newest_messages
from pipeline.actions.explore.sums import explore
from pipeline.actions.reports.definition import reports
from pipeline.actions.reports.period import containing
from pipeline.actions.reports.report import find, make, write
from pipeline.durations import DAY_MS
from pipeline.events import Event
from pipeline.lake import delta, tables
from pipeline.lake.export import export
from pipeline.lake.meanings import ROWS
from pipeline.lake.privacy import Privacy
from pipeline.lake.query import FORMATS, query, render
from pipeline.lake.reader import LakeReader
from pipeline.lake.rolling import roll_up
from pipeline.lake.tables import Origin
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from tests.harness.lake.events import PHONE, SECRET_TEXT
from tests.harness.migrated import migrated_database
from tests.upgrade.invented import NOW, PHONES, PORT, records

pytestmark = pytest.mark.long

ANALYST = User("anna", Role.ANALYST)
SECRETS = (PHONE, PHONES[1], "482913", "王女士", "u77", "Xy12", SECRET_TEXT)
TEXTS = {"content", "note", "word", "sample"}  # fields that hold what a person wrote
# Fields that the pipeline alone fills, with a hash, an id or a word of its own. No text from outside comes here.
OURS = {
    "fingerprint",
    "policy",
    "dictionary",
    "model",
    "campaign",
    "case",
    "refusal",
    "via",
    "Campaign.id",
    "Decision.source",
}


def planted(event: Event) -> Event:
    """The event with a number or a text in each field that takes any."""
    raw: Any = msgspec.to_builtins(event)

    def plant(holder: Any, key: Any, field: str) -> None:
        value = holder[key]
        if field == "values" and isinstance(value, dict):
            holder[key] = {"text": SECRET_TEXT, "recipient": PHONE, "number": int(PHONE), "list": [PHONE]}
        elif isinstance(value, dict | list):
            for inner in value if isinstance(value, dict) else range(len(value)):
                plant(value, inner, inner if isinstance(inner, str) else field)
        elif isinstance(value, str) and value != PORT and not {field, f"{type(event).__name__}.{field}"} & OURS:
            head, slash, _ = value.rpartition("/")
            holder[key] = SECRET_TEXT if field in TEXTS else value if value in PHONES else f"{head}{slash}x-{PHONE}"
            try:
                msgspec.convert(raw, type(event))
            except msgspec.ValidationError:
                holder[key] = value  # it takes certain words only

    for name in raw:
        plant(raw, name, name)
    return msgspec.convert(raw, type(event))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with a row of each event, and the first rounds of those that have rounds."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("analyst"), _env_file=None)
    rows: dict[str, list[Any]] = defaultdict(list)
    for topic, event in records().items():
        if topic in tables.SUBSCRIPTION or topic.startswith("outbound."):
            table = tables.table_of(topic)
            given = planted(event)
            rounds = [given, msgspec.structs.replace(given, round=0)] if hasattr(given, "round") else [given]
            rows[table.name] += [(table, topic, one) for one in rounds]
    for made in rows.values():
        table = made[0][0]
        if table.full:
            continue
        origins = [Origin("log", topic, 0, n, NOW) for n, (_, topic, _) in enumerate(made)]
        built = table.build([event for *_, event in made], origins, Privacy(settings.privacy_secret))
        delta.append(delta.open_table(settings.lake_dir, table), built, {"log/0": None}, {"log/0": len(made)})
    roll_up(settings.lake_dir)
    return settings


@pytest.fixture(scope="module")
def lake(settings: Settings) -> LakeReader:
    return LakeReader(settings)


def secrets_in(shown: Any) -> list[str]:
    text = str(shown)
    return [secret for secret in SECRETS if secret in text]


def test_the_secrets_are_planted() -> None:
    told = [str(msgspec.to_builtins(planted(event))) for topic, event in records().items() if topic != "config"]
    assert sum(PHONE in text for text in told) >= len(tables.SHARED)
    assert sum(SECRET_TEXT in text for text in told) >= 6


def test_every_column_has_a_value_here(lake: LakeReader) -> None:
    cursor = lake.cursor()
    for view in ROWS:
        columns = [row[0] for row in cursor.execute(f"DESCRIBE {view}").fetchall()]
        counts = cursor.execute(f'SELECT {", ".join(f"""count("{c}")""" for c in columns)} FROM {view}').fetchone()
        assert counts is not None
        assert [column for column, count in zip(columns, counts, strict=True) if not count] == [], view


@pytest.mark.parametrize("view", ROWS)
def test_no_view_and_no_format_shows_them(settings: Settings, lake: LakeReader, view: str) -> None:
    assert secrets_in(lake.cursor().execute(f"FROM {view}").fetchall()) == []
    if view in {table.name for table in tables.SHARED}:
        return  # what derived views show is made of these
    answer = query(f"FROM {view}", settings)
    for form in FORMATS:
        out = io.StringIO()
        render(answer, form, out)
        assert secrets_in(out.getvalue()) == [], form


def test_no_export_and_no_log_of_the_lake_shows_them(settings: Settings, tmp_path: Path) -> None:
    export(settings, tmp_path / "bi.duckdb")
    with duckdb.connect(tmp_path / "bi.duckdb", read_only=True) as copy:
        for view in ROWS:
            assert secrets_in(copy.sql(f"FROM {view}").fetchall()) == [], view
    logs = [path for path in settings.lake_dir.rglob("*.json") if "full" not in path.parts]
    assert len(logs) > len(tables.SHARED)
    assert [path for path in logs if secrets_in(path.read_text(encoding="utf-8"))] == []


@pytest.fixture(scope="module")
def db(settings: Settings) -> Iterator[Any]:
    db = migrated_database(settings)
    yield db
    db.close()


@pytest.mark.parametrize("source", SOURCES)
def test_explore_shows_none_of_them(db: Any, lake: LakeReader, source: str) -> None:
    day = Filters(NOW - DAY_MS, NOW + DAY_MS, source)
    for by in COLUMNS:
        if source == "record" and by in PLACES:
            continue
        found = explore(db, lake.cursor(), ANALYST, day, by)
        assert found.top or source == "record"  # the decision here is one on a submission
        assert secrets_in(found) == [], by
    assert secrets_in(newest_messages(db, lake.cursor(), ANALYST, day)) == []
    assert secrets_in(newest_messages(db, lake.cursor(), ANALYST, replace(day, link="abc.com"))) == []


def test_no_report_shows_them(db: Any, settings: Settings, tmp_path: Path) -> None:
    today = datetime.fromtimestamp(NOW / 1000, UTC).date()
    for name in reports():
        made = make(db, settings, ANALYST, name, containing(find(name).span, today, settings.console_zone))
        assert any(table.rows for table in made.tables)
        for path in write(made, tmp_path):
            assert secrets_in(path.read_text(encoding="utf-8")) == [], path
