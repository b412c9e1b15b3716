"""The benchmark of the engine leaves the process as it was."""

from __future__ import annotations

import gc

import pytest

from pipeline.bench import engine
from tests.harness.screening_events import config, submission


def test_a_load_that_fails_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = gc.get_freeze_count()
    monkeypatch.setattr(engine, "screen", lambda *_: [])
    with pytest.raises(RuntimeError, match="1 events failed"):
        engine.measure([submission()], config())
    assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen
