"""The analysts' notebooks run from top to bottom over simulated days, hold no outputs, and find the planted story."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.bench.simulated_days import STORY_DAYS, simulate_days
from pipeline.sample.drift import SENDERS, VARIANTS
from pipeline.settings import Settings
from tests.harness.places import ROOT

NOTEBOOKS = sorted(ROOT.joinpath("notebooks").glob("*.ipynb"))
SAMPLES = 400  # a day: everyday traffic without incidents, so that the days take seconds
FOUND = f"""\
best = families.iloc[0]
assert (best.variants, best.ports) == ({len(VARIANTS)}, {len(SENDERS)}), families.head()
assert best.drift > 0.5, best
assert best.released > 100, best
"""


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


def run(notebooks: Path, settings: Settings, cwd: Path) -> str:
    """Run a notebook, or all of a folder, over a lake; what nbmake says."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbmake", "--nbmake-timeout=300", str(notebooks)],
        env={**os.environ, "ANTISPAM_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        cwd=cwd,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    return ran.stdout


@pytest.mark.long
def test_the_first_runs_over_a_simulated_day(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    simulate_days(settings, date(2026, 11, 16), 1, SAMPLES)
    copies = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    assert "1 passed" in run(copies / NOTEBOOKS[0].name, settings, tmp_path)


@pytest.mark.slow
def test_they_run_over_simulated_days_and_find_the_story(tmp_path: Path) -> None:
    """One run of nbmake for all; the notebook of campaigns has its result checked in a cell of its own."""
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    simulate_days(settings, date(2026, 11, 16), STORY_DAYS, SAMPLES)
    copies = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (campaigns,) = copies.glob("02_*.ipynb")
    notebook = json.loads(campaigns.read_text(encoding="utf-8"))
    check: dict[str, Any] = {
        "cell_type": "code",
        "id": "found",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": FOUND,
    }
    notebook["cells"].append(check)
    campaigns.write_text(json.dumps(notebook), encoding="utf-8")
    assert f"{len(NOTEBOOKS)} passed" in run(copies, settings, tmp_path)


def test_there_are_seven() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02}" for n in range(1, 8)]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_holds_no_outputs(notebook: Path) -> None:
    """Outputs would carry rows of somebody's traffic into the repository."""
    for cell in cells(notebook):
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.long
def test_it_is_what_its_text_says(notebook: Path) -> None:
    """`make notebooks` makes the ipynb of the py:percent text, which is what reviewers read."""
    jupytext = pytest.importorskip("jupytext")
    written = [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags")) for c in cells(notebook)]
    told = [
        (cell.cell_type, cell.source, cell.metadata.get("tags"))
        for cell in jupytext.read(notebook.with_suffix(".py")).cells
    ]
    assert written == told


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_titles_are_in_both_languages(notebook: Path) -> None:
    titles = [
        line
        for cell in cells(notebook)
        if cell["cell_type"] == "markdown"
        for line in "".join(cell["source"]).splitlines()
        if line.startswith("#")
    ]
    assert titles
    for title in titles:
        assert any("\u4e00" <= sign <= "\u9fff" for sign in title), title
        assert any(sign.isascii() and sign.isalpha() for sign in title), title
