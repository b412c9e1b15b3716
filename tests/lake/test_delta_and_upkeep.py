"""Writers that fence each other, files that stay few, days that go."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import deltalake
import duckdb
import pytest

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.lake import columns, delta, tables
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import CONFIGURATION, DECISIONS, SUBMISSIONS, TEXTS, Origin
from pipeline.lake.upkeep import compact, expire
from pipeline.lake.views import connect, refresh
from pipeline.settings import Settings
from tests.harness.lake.events import PHONE, decision, now_ms, submission

pytestmark = pytest.mark.long

PRIVACY = Privacy(b"secret")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def rows(first: int, count: int = 5, at: int | None = None):  # type: ignore[no-untyped-def]
    origins = [Origin("log", "decisions", 0, first + n, at or now_ms()) for n in range(count)]
    return DECISIONS.build([decision(f"d{o.offset}", at=o.stamped_at) for o in origins], origins, PRIVACY)


def fill(settings: Settings, commits: int) -> None:
    table = delta.open_table(settings.lake_dir, DECISIONS)
    has = None
    for commit in range(commits):
        delta.append(table, rows(commit * 5), {"a": has}, {"a": commit * 5 + 4})
        has = commit * 5 + 4


def test_a_writer_that_comes_late_is_fenced(settings: Settings) -> None:
    ours, theirs = (delta.open_table(settings.lake_dir, DECISIONS) for _ in range(2))
    delta.append(theirs, rows(0), {"a": None}, {"a": 4})
    with pytest.raises(delta.Fenced):
        delta.append(ours, rows(0), {"a": None}, {"a": 4})
    assert connect(settings).execute("SELECT count(*) FROM decisions").fetchall() == [(5,)]


def test_a_commit_between_check_and_write_is_refused_by_delta(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heart of exactly once: it must hold in delta-rs, not only in our check."""
    ours, theirs = (delta.open_table(settings.lake_dir, DECISIONS) for _ in range(2))

    def overtaken(*args: object, **options: object) -> None:
        monkeypatch.undo()
        delta.append(theirs, rows(0), {"a": None}, {"a": 4})
        deltalake.write_deltalake(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(delta, "write_deltalake", overtaken)
    with pytest.raises(delta.Fenced):
        delta.append(ours, rows(0), {"a": None}, {"a": 4})
    assert connect(settings).execute("SELECT count(*) FROM decisions").fetchall() == [(5,)]


def test_writers_of_different_partitions_do_not_hinder_each_other(settings: Settings) -> None:
    ours, theirs = (delta.open_table(settings.lake_dir, DECISIONS) for _ in range(2))
    delta.append(theirs, rows(0), {"a": None}, {"a": 4})
    delta.append(ours, rows(0), {"b": None}, {"b": 4})
    assert connect(settings).execute("SELECT count(*) FROM decisions").fetchall() == [(10,)]


def test_compaction_leaves_few_files_and_all_rows_and_readers(settings: Settings) -> None:
    fill(settings, commits=10)
    reader = connect(settings)
    done = compact(settings)
    assert (done.merged, done.written) == (10, 1)
    assert reader.execute("SELECT count(DISTINCT id) FROM decisions").fetchall() == [(50,)]
    assert len(refresh(reader, settings)) == 1
    assert reader.execute("SELECT count(DISTINCT id) FROM decisions").fetchall() == [(50,)]
    found = delta.find_table(settings.lake_dir, DECISIONS)
    assert found is not None
    assert found.transaction_version("a") == 49


def test_only_one_compacts_at_a_time(settings: Settings) -> None:
    fill(settings, commits=1)
    with (
        delta.locked(settings.lake_dir, "upkeep"),
        pytest.raises(AntispamError, match="another process"),
    ):
        compact(settings)


def test_old_days_leave_every_table_and_the_disk(settings: Settings) -> None:
    now = now_ms()
    old = now - (settings.retention_days + 1) * DAY_MS
    last_kept = now - settings.retention_days * DAY_MS
    decisions = delta.open_table(settings.lake_dir, DECISIONS)
    delta.append(decisions, rows(0, at=old), {"a": None}, {"a": 4})
    delta.append(decisions, rows(5, at=last_kept), {"a": 4}, {"a": 9})
    texts = delta.open_table(settings.lake_dir, TEXTS)
    text = TEXTS.build([submission("s", at=old)], [Origin("l", "submissions.bulk", 0, 0, old)], PRIVACY)
    delta.append(texts, text, {"a": None}, {"a": 0})

    assert expire(settings, datetime.datetime.now(datetime.UTC), grace_hours=0) == 6
    assert connect(settings).execute("SELECT min(id), count(*) FROM decisions").fetchall() == [("d5", 5)]
    left = {path.parent.name for path in settings.lake_dir.rglob("dt=*/*.parquet")}
    assert left == {f"dt={datetime.datetime.fromtimestamp(last_kept / 1000, datetime.UTC):%Y-%m-%d}"}


def test_of_old_configuration_what_is_in_force_stays(settings: Settings) -> None:
    old = now_ms() - (settings.retention_days + 1) * DAY_MS
    changes = [
        ConfigChange(epoch=1, kind="port", name="1069", value="first", changed_at=old),
        ConfigChange(epoch=2, kind="port", name="1069", value="second", changed_at=old),
        ConfigChange(epoch=3, kind="list", name="l", value="gone", changed_at=old),
        ConfigChange(epoch=4, kind="list", name="l", changed_at=old),
        ConfigChange(epoch=5, kind="policy", name="p", file="f0", changed_at=old),
        ConfigChange(epoch=6, kind="port", name="1069", value="third", changed_at=now_ms()),
    ]
    table = delta.open_table(settings.lake_dir, CONFIGURATION)
    origins = [Origin("l", "config", 0, n, change.changed_at) for n, change in enumerate(changes)]
    delta.append(table, CONFIGURATION.build(changes, origins, PRIVACY), {"a": None}, {"a": 5})
    assert expire(settings, datetime.datetime.now(datetime.UTC)) == 3
    table.update_incremental()
    left = table.to_pyarrow_table().sort_by("epoch").to_pylist()
    assert [row["value"] or row["file"] for row in left] == ["second", "f0", "third"]
    assert table.transaction_version("a") == 5
    assert expire(settings, datetime.datetime.now(datetime.UTC)) == 0


def test_expired_rows_are_hidden_at_once_while_running_queries_end(settings: Settings) -> None:
    old = now_ms() - (settings.retention_days + 1) * DAY_MS
    table = delta.open_table(settings.lake_dir, DECISIONS)
    delta.append(table, rows(0, at=old), {"a": None}, {"a": 4})
    reader = connect(settings)
    assert expire(settings, datetime.datetime.now(datetime.UTC)) == 5
    assert reader.execute("SELECT count(id) FROM decisions").fetchall() == [(5,)]
    assert connect(settings).execute("SELECT count(*) FROM decisions").fetchall() == [(0,)]


def test_full_text_is_its_owners_alone_and_nowhere_else(settings: Settings) -> None:
    origin = [Origin("l", "submissions.bulk", 0, 0, now_ms())]
    for table in (SUBMISSIONS, TEXTS):
        built = table.build([submission("s")], origin, PRIVACY)
        delta.append(delta.open_table(settings.lake_dir, table), built, {"a": None}, {"a": 0})
    full = settings.lake_dir / "full"
    assert stat.S_IMODE(full.stat().st_mode) == 0o700
    # Delta's log holds the least and greatest value of columns: not of these.
    logs = "".join(path.read_text() for path in settings.lake_dir.rglob("_delta_log/*.json"))
    assert PHONE not in logs
    assert "482913" not in logs
    for path in settings.lake_dir.rglob("*.parquet"):
        found = PHONE in str(duckdb.execute("FROM read_parquet(?)", [str(path)]).fetchall())
        assert found == path.is_relative_to(full)


def test_fields_an_old_table_lacks_are_added_inside_lists_too(settings: Settings) -> None:
    span = columns.nested("spans", lambda reason: reason.spans, columns.count("start", lambda span: span.start))
    reason = columns.nested("reasons", lambda d: d.reasons, columns.word("rule", lambda reason: reason.rule), span)
    kept = tuple(reason if column.name == "reasons" else column for column in DECISIONS.columns[:-1])
    older = tables.Table("decisions", DECISIONS.at, kept)
    origin = Origin("log", "decisions", 0, 0, now_ms())
    table = delta.open_table(settings.lake_dir, older)
    delta.append(table, older.build([decision("old")], [origin], PRIVACY), {"a": None}, {"a": 0})
    newer = delta.open_table(settings.lake_dir, DECISIONS)
    delta.append(newer, rows(1, 1), {"a": 0}, {"a": 1})
    compact(settings)
    assert connect(settings).execute("SELECT count(*), count(hold_until) FROM decisions").fetchall() == [(2, 0)]
    lacking = "SELECT count(*), count(reasons[1].message), count(reasons[1].spans[1].via) FROM decisions"
    assert connect(settings).execute(lacking).fetchall() == [(2, 1, 1)]
