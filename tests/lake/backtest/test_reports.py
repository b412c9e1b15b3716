"""Reports on disk: found, listed, and deleted in time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.lake.backtest.reports import Report, all_reports, expire, find, folder_of, save
from pipeline.settings import Settings

NOW = 1_795_000_000_000
REPORT = Report("0123456789abcdef", None, "", NOW - DAY_MS, NOW, ("p",), 0, None, [], 1.0, 2.0, NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, _env_file=None)


def test_a_saved_report_is_found_by_its_owner_only(settings: Settings) -> None:
    save(settings, REPORT)
    assert find(settings, REPORT.key) == REPORT
    assert find(settings, "f" * 16) is None
    (path,) = folder_of(settings, REPORT.key).iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("key", ["", "../../etc", "0123", "0123456789ABCDEF", "0123456789abcdef/.."])
def test_what_is_no_key_names_no_folder(settings: Settings, key: str) -> None:
    with pytest.raises(AntispamError, match="no backtest"):
        find(settings, key)


def test_the_newest_comes_first_and_an_unreadable_one_not_at_all(settings: Settings) -> None:
    assert all_reports(settings) == []
    later = msgspec.structs.replace(REPORT, key="1" * 16, made_at=NOW + 1)
    for report in (REPORT, later):
        save(settings, report)
    broken = folder_of(settings, "2" * 16)
    broken.mkdir()
    (broken / "report.json").write_text("{")
    assert all_reports(settings) == [later, REPORT]
    with pytest.raises(AntispamError, match="no report of this version"):
        find(settings, "2" * 16)


def test_reports_go_with_their_days_and_what_a_killed_run_left_after_two(settings: Settings) -> None:
    save(settings, REPORT)
    left = folder_of(settings, "3" * 16)
    left.mkdir()
    (left / "input.json").write_text("{}")
    os.utime(left, (NOW / 1000, NOW / 1000))
    assert expire(settings, NOW + DAY_MS) == 0
    assert expire(settings, NOW + 3 * DAY_MS) == 1
    assert not left.exists()
    assert expire(settings, NOW + (settings.retention_days - 1) * DAY_MS) == 0
    assert expire(settings, NOW + settings.retention_days * DAY_MS) == 1
    assert all_reports(settings) == []
