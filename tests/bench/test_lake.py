"""The bench of the lake: it answers every query, and its roll-ups are those of its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.bench import lake


@pytest.mark.slow
def test_a_small_lake_is_filled_copied_and_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lake, "BLOCK", 1_500)
    monkeypatch.setattr(lake, "LARGE", 100)
    monkeypatch.setattr(lake, "FLUSHES", 5)
    monkeypatch.setattr(lake, "RUNS", 1)
    told = lake.run(40_000, tmp_path / "lake")
    assert told["days"] >= 2
    assert told["messages"] > 20_000
    assert told["roll_ups_equal"]
    assert told["compaction"]["files"][0] > told["compaction"]["files"][1]
    assert {"top by port, 30 days", "one link, 7 days", "newest messages"} <= set(told["queries"])
    assert set(told["reports"]) == {"daily", "weekly", "monthly", "usage"}
    again = lake.run(40_000, tmp_path / "lake")
    assert (again["messages"], again["roll_ups_equal"]) == (told["messages"], True)
    assert "compaction" not in again
