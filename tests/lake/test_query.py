"""What analysts ask, and what they may not."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import Campaign, Event, RecipientException, Verdict
from pipeline.lake import delta
from pipeline.lake.privacy import Privacy
from pipeline.lake.query import query, render
from pipeline.lake.tables import DECISIONS, SHARED, SUBMISSIONS, TEXTS, TOLD, Origin, Table
from pipeline.lake.views import DERIVED, connect, full_files
from pipeline.settings import Settings
from tests.harness.lake.events import PHONE, decision, now_ms, submission

pytestmark = pytest.mark.long

PRIVACY = Privacy(b"secret")
VIEWS = [table.name for table in SHARED] + list(DERIVED)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def put(settings: Settings, table: Table, *events: Event) -> None:
    origins = [Origin("log", table.name, 0, n, now_ms()) for n in range(len(events))]
    delta.append(
        delta.open_table(settings.lake_dir, table), table.build(events, origins, PRIVACY), {"a": None}, {"a": 0}
    )


def ask(settings: Settings, sql: str) -> Sequence[dict[str, object]]:
    return query(sql, settings).to_pylist()


@pytest.mark.parametrize("made", [False, True])
def test_every_view_is_there_before_its_table_and_when_it_is_empty(settings: Settings, made: bool) -> None:
    if made:
        for table in SHARED:
            delta.open_table(settings.lake_dir, table)
    with connect(settings) as lake:
        rows = {view: lake.sql(f"FROM {view}").to_arrow_table() for view in VIEWS}
        for table in SHARED:
            written = table.schema.empty_table()
            assert rows[table.name].schema == lake.from_arrow(written).to_arrow_table().schema
    assert {len(found) for found in rows.values()} == {0}
    assert not any(pa.types.is_null(field.type) for found in rows.values() for field in found.schema)


def test_messages_are_recipients_with_their_verdict(settings: Settings) -> None:
    at = now_ms()
    put(settings, SUBMISSIONS, submission("s1", at=at), submission("s2", at=at))
    held = decision("s1", 0, Verdict.HOLD, at=at)
    released = decision("s1", 1, Verdict.RELEASE, at=at)
    assert released.exceptions == (RecipientException(recipient=PHONE, verdict=Verdict.REJECT, rule="unsubscribed"),)
    put(settings, DECISIONS, released, held)
    rows = ask(settings, "SELECT id, submission, n, recipient, verdict FROM messages ORDER BY id")
    assert [(row["id"], row["verdict"]) for row in rows] == [
        ("s1/1", "reject"),
        ("s1/2", "release"),
        ("s2/1", None),
        ("s2/2", None),
    ]
    assert rows[0]["recipient"] == PRIVACY.number(PHONE)


def test_messages_of_a_day_read_the_submissions_of_this_day_alone(settings: Settings) -> None:
    at = now_ms()
    put(settings, SUBMISSIONS, submission("s1", at=at), submission("s2", at=at - 3 * DAY_MS))
    day = datetime.fromtimestamp(at / 1000, UTC).date()
    with connect(settings) as lake:
        plan = lake.sql(f"SELECT count(*) FROM messages WHERE dt = '{day}'").explain()
        assert lake.sql(f"SELECT DISTINCT submission FROM messages WHERE dt = '{day}'").fetchall() == [("s1",)]
    assert "Scanning Files: 1/2" in plan


def test_reasons_ports_and_contents_follow_from_decisions(settings: Settings) -> None:
    put(
        settings,
        DECISIONS,
        decision("a", verdict=Verdict.REJECT, port="1", messages=3),
        decision("b", verdict=Verdict.REVIEW, port="2"),
    )
    assert ask(settings, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM reasons") == [{"n": 4, "d": 2}]
    ports = ask(settings, "SELECT port, messages, rejected, reviewed FROM ports ORDER BY port")
    assert ports == [
        {"port": "1", "messages": 3, "rejected": 3, "reviewed": 0},
        {"port": "2", "messages": 3, "rejected": 1, "reviewed": 2},
    ]
    content = ask(settings, "SELECT messages, ports, category FROM contents")
    assert content == [{"messages": 6, "ports": 2, "category": "loan"}]


def test_a_campaign_as_last_told_and_its_members_the_first_included(settings: Settings) -> None:
    before, unrelated, known = decision("a", port="1"), decision("x", port="1"), decision("b", port="2")
    put(settings, DECISIONS, before, unrelated, replace(known, campaign="c1"))
    told = Campaign(
        id="c1",
        messages=20,
        ports=2,
        senders=2,
        growth=20,
        first_seen=now_ms(),
        last_seen=now_ms(),
        at=now_ms(),
        sketches=(),
        first=("1/a",),
    )
    put(settings, TOLD, told, replace(told, messages=500, ports=3, growth=480, at=told.at + 1000))
    rows = ask(settings, "SELECT campaign, messages, ports, most_in_5m, decisions, reviewed FROM campaigns")
    assert rows == [{"campaign": "c1", "messages": 500, "ports": 3, "most_in_5m": 480, "decisions": 1, "reviewed": 2}]
    members = ask(settings, "SELECT port, id FROM campaign_members WHERE campaign = 'c1' ORDER BY id")
    assert members == [{"port": "1", "id": "a"}, {"port": "2", "id": "b"}]


def test_a_connection_reads_times_with_zone(settings: Settings) -> None:
    put(settings, DECISIONS, decision("a", at=1_795_308_000_123))
    (time,) = connect(settings).execute("SELECT decided_at FROM decisions").fetchone() or (None,)
    assert time.isoformat() == "2026-11-22T00:40:00.123000+00:00"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DROP VIEW decisions", "only SELECT is allowed, not DROP"),
        ("SET threads = 1", "only SELECT is allowed, not SET"),
        ("COPY decisions TO 'x.csv'", "only SELECT is allowed, not COPY"),
        ("ATTACH 'x.db'", "only SELECT is allowed, not ATTACH"),
        ("INSTALL httpfs", "only SELECT is allowed"),
        ("SELECT 1; SELECT 2", "one SELECT statement is wanted, not 2"),
        ("", "one SELECT statement is wanted, not 0"),
        ("SELEC 1", "syntax error"),
        ("SELECT nosuch FROM decisions", 'Referenced column "nosuch" not found'),
        ("SELECT * FROM nosuch", "nosuch does not exist"),
        ("SELECT * FROM read_text('/etc/hostname')", "Cannot access file"),
        ("SELECT * FROM glob('/etc/*')", "Cannot access file"),
        ("WITH x AS (COPY (SELECT 1) TO 'x.csv') SELECT 1", "COPY"),
        ("SELECT * FROM sql", "does not exist"),  # a variable of ours
    ],
)
def test_anything_but_a_select_of_the_lake_is_refused_in_one_line(settings: Settings, sql: str, why: str) -> None:
    put(settings, DECISIONS, decision("a"))
    with pytest.raises(AntispamError) as refused:
        query(sql, settings)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


ATTACKS = [
    "SELECT * FROM read_csv('{db}')",
    "SELECT * FROM read_blob('{db}')",
    "SELECT * FROM '{db}'",
    "SELECT * FROM read_parquet('{lake}/full/texts/**/*.parquet')",
    "SELECT * FROM glob('{lake}/**')",
    "SELECT * FROM read_json('{lake}/full/texts/_delta_log/*.json')",
    "SELECT * FROM parquet_metadata('{full}')",
    "SELECT * FROM parquet_schema('{lake}/decisions/../full/texts/*.parquet')",
    "SELECT * FROM sniff_csv('{db}')",
    "SELECT * FROM read_text('{data}/privacy.key')",
    "SELECT * FROM sqlite_scan('{db}', 'users')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x')",
    "SELECT * FROM 's3://b/x.parquet'",
    "LOAD httpfs",
    "INSTALL sqlite",
    "ATTACH '{db}' AS d (TYPE sqlite)",
    "EXPORT DATABASE '{data}/out'",
    "IMPORT DATABASE '{data}'",
    "CREATE TABLE t AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "CALL pragma_version()",
    "CHECKPOINT",
    "DETACH memory",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "USE typed",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT getenv('ANTISPAM_PRIVACY_KEY')",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{data}/x''')",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{data}/x'",
    "INSERT INTO decisions VALUES (1)",
    "FROM read_duckdb('{db}')",
    "SELECT * FROM (COPY (SELECT 1) TO '{data}/x')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM '/proc/self/fd/0'",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM read_text('{lake}/../privacy.key')",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_an_analyst_as_attacker_gets_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Files beside the tables, the network, the environment, settings, extensions: refused, and nothing is written."""
    monkeypatch.setenv("ANTISPAM_PRIVACY_KEY", "the-key-of-hashes")
    put(settings, TEXTS, submission("s"))
    put(settings, DECISIONS, decision("a"))
    (full,) = full_files(settings, "texts")
    (settings.data_dir / "privacy.key").write_text("the-key-of-hashes")
    (settings.data_dir / "operational.db").write_text("a\n13800000001\n")
    before = sorted(settings.data_dir.rglob("*"))
    places = {"db": settings.data_dir / "operational.db", "lake": settings.lake_dir, "data": settings.data_dir}
    with pytest.raises(AntispamError):
        query(sql.format(full=full, **places), settings)
    assert sorted(settings.data_dir.rglob("*")) == before


@pytest.mark.parametrize("name", ["duckdb_settings()", "duckdb_databases()", "duckdb_variables()"])
def test_what_duckdb_tells_of_itself_holds_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ANTISPAM_PRIVACY_KEY", "the-key-of-hashes")
    put(settings, DECISIONS, decision("a"))
    assert "the-key-of-hashes" not in str(query(f"SELECT * FROM {name}", settings).to_pydict())


def test_full_text_and_writing_into_the_lake_are_refused(settings: Settings) -> None:
    put(settings, TEXTS, submission("s"))
    put(settings, DECISIONS, decision("a"))
    (full,) = full_files(settings, "texts")
    with pytest.raises(AntispamError, match="Cannot access"):
        query(f"SELECT * FROM '{full}'", settings)
    (shared,) = [str(path) for path in (settings.lake_dir / "decisions").rglob("*.parquet")]
    before = Path(shared).read_bytes()
    with pytest.raises(AntispamError, match="COPY"):
        query(f"WITH x AS (COPY (SELECT 2 AS a) TO '{shared}') SELECT 1", settings)
    assert Path(shared).read_bytes() == before


@pytest.mark.parametrize(
    "sql", ["SHOW TABLES", "DESCRIBE messages", "SUMMARIZE decisions", "VALUES (1)", "SELECT 1 -- x"]
)
def test_what_is_like_a_select_is_answered(settings: Settings, sql: str) -> None:
    assert query(sql, settings).num_rows > 0


def test_an_answer_has_a_limit_of_rows_and_of_time(settings: Settings) -> None:
    rows = query("SELECT range AS n FROM range(1_000_000) ORDER BY n", settings, limit=3)
    assert rows.to_pydict() == {"n": [0, 1, 2]}
    with pytest.raises(AntispamError, match=r"not answered within 0\.1 s"):
        query(
            "SELECT count(*) FROM range(1_000_000_000) a, range(1_000_000) b WHERE a.range = -b.range", settings, 1, 0.1
        )


def rendered(rows: pa.Table, form: str) -> str:
    out = io.StringIO()
    render(rows, form, out)
    return out.getvalue()


def test_rows_come_as_table_csv_and_json_lines(settings: Settings) -> None:
    put(settings, DECISIONS, decision("一", at=1_795_308_000_123))
    rows = query("SELECT id, decided_at, counters, hold_until, 'NaN'::DOUBLE AS nan FROM decisions", settings)
    assert json.loads(rendered(rows, "json")) == {
        "id": "一",
        "decided_at": "2026-11-22T00:40:00.123000+00:00",
        "counters": {"same_content_5m": 51},
        "hold_until": None,
        "nan": None,
    }
    assert rendered(rows, "csv").splitlines()[0] == "id,decided_at,counters,hold_until,nan"
    assert "一" in rendered(rows, "table")


def test_a_hostile_text_cannot_paint_the_terminal() -> None:
    shown = rendered(pa.table({"[bold]t": ["\x1b[31mred [blink]x"]}), "table")
    assert "\x1b" not in shown
    assert "[blink]x" in shown
    assert "[bold]t" in shown


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(AntispamError, match="one of table, csv, json"):
        rendered(pa.table({"a": [1]}), "xml")
