"""The analysts' notebooks run from top to bottom over a lake of sample traffic, and hold no outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import time

import msgspec
import pytest

from pipeline import door
from pipeline.decision.configuration import load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import Event, Submission
from pipeline.lake import delta
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import DECISIONS, SUBMISSIONS, Origin, Table
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.sample.config import write_config
from pipeline.sample.traffic import generate
from pipeline.settings import Settings
from tests.harness.places import ROOT

pytestmark = pytest.mark.long

NOTEBOOKS = sorted(ROOT.joinpath("notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose lake holds two thousand submissions of sample traffic and their decisions."""
    folder = tmp_path_factory.mktemp("notebooks")
    settings = Settings(data_dir=folder)
    start = int(time() * 1000) - 240_000
    write_config(folder / "config", start)
    sent: list[Submission] = [
        door.submission(msgspec.convert(s.body, door.SubmissionIn), settings, s.at, f"n-{n}")
        for n, s in enumerate(generate(3, 3000, start, 240.0))
        if s.what == "submission"
    ]
    outcomes = screen(sent, MemoryCounters(), load_directory(folder / "config"), int(time() * 1000))
    _put(settings, SUBMISSIONS, sent)
    _put(settings, DECISIONS, [outcome.decision for outcome in outcomes if isinstance(outcome, Screened)])
    return folder


def _put(settings: Settings, table: Table, events: Sequence[Event]) -> None:
    origins = [Origin("log", table.name, 0, n, int(time() * 1000)) for n in range(len(events))]
    rows = table.build(events, origins, Privacy(settings.privacy_secret))
    delta.append(delta.open_table(settings.lake_dir, table), rows, {"a": None}, {"a": len(events)})


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_over_a_lake(notebook: Path, data_dir: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbmake", "--nbmake-timeout=120", str(notebook)],
        env={**os.environ, "ANTISPAM_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_holds_no_outputs(notebook: Path) -> None:
    """Outputs would carry rows of somebody's traffic into the repository."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
