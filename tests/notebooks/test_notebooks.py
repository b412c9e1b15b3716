"""The analysts' notebooks run from top to bottom over simulated days, hold no outputs, and find the planted story."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.bench.simulated_days import simulate_days
from pipeline.lake.privacy import mask_text
from pipeline.lake.tables import TEXTS
from pipeline.lake.views import open_empty, view_full
from pipeline.sample.drift import SENDERS, VARIANTS
from pipeline.settings import Settings
from tests.harness.places import ROOT

NOTEBOOKS = sorted(ROOT.joinpath("notebooks").glob("*.ipynb"))
MOBILE = re.compile(r"1[3-9]\d{9}")
SAMPLES = 400  # of a day: everyday traffic without incidents, so that it takes seconds
DAYS, SAMPLES_A_DAY = 6, 1300  # what `antispam simulate days` makes, as the walk-through does
NBMAKE = ("--nbmake", "--nbmake-timeout=300", "--overwrite")  # the copies keep their outputs


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


def run(notebooks: Path, settings: Settings, cwd: Path) -> str:
    """Run a notebook, or all of a folder, over a lake; what nbmake says. The notebooks get their outputs."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *NBMAKE, str(notebooks)],
        env={**os.environ, "ANTISPAM_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        cwd=cwd,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    return ran.stdout


def shown(*notebooks: Path) -> str:
    """The texts and tables of the outputs of the notebooks. Charts must be pictures, which need no network."""
    outputs = [output for notebook in notebooks for cell in cells(notebook) for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    parts = [
        "".join(part)
        for output in outputs
        for part in (output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/")))
    ]
    assert [part for part in parts if "<script" in part] == []
    return "\n".join(parts)


def found(pattern: str, text: str) -> Any:
    """The only group of a pattern that the text must have, or all of them."""
    match = re.search(pattern, text)
    assert match, pattern
    return match[1] if len(match.groups()) == 1 else match.groups()


def check_outputs(notebooks: Path, settings: Settings) -> None:
    """No output holds a person's number or an unmasked text of the lake."""
    with open_empty(settings) as lake:
        view_full(lake, settings, TEXTS)
        rows = lake.execute("SELECT sender, recipients, content FROM texts").fetchall()
    numbers = {number for sender, recipients, _ in rows for number in (sender, *recipients) if MOBILE.fullmatch(number)}
    texts = {content for *_, content in rows if len(content) >= 10 and mask_text(content) != content}
    assert min(len(numbers), len(texts)) > 100
    outputs = shown(*notebooks.glob("*.ipynb"))
    assert [secret for secret in numbers | texts if secret in outputs] == []


@pytest.mark.long
def test_the_first_runs_over_a_simulated_day(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    simulate_days(settings, date(2026, 11, 16), 1, SAMPLES)
    copies = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    assert "1 passed" in run(copies / NOTEBOOKS[0].name, settings, tmp_path)
    check_outputs(copies, settings)


@pytest.mark.slow
def test_they_run_over_simulated_days_as_the_walk_through_says(tmp_path: Path) -> None:
    """One run of nbmake for all. The figures that docs/walk-through.md reads in them stand in their outputs."""
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    simulate_days(settings, date(2026, 11, 16), DAYS, SAMPLES_A_DAY)
    copies = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    assert f"{len(NOTEBOOKS)} passed" in run(copies, settings, tmp_path)
    check_outputs(copies, settings)
    seen = {path.name[:2]: " ".join(re.sub(r"<[^>]+>", " ", shown(path)).split()) for path in copies.glob("*.ipynb")}
    text = (ROOT / "docs" / "walk-through.md").read_text(encoding="utf-8")
    rows = [line.replace("*", "").strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]

    days, indexes = rows[0][1:], rows[1][1:]
    assert [round(float(found(rf"{day} \d+ (\S+)", seen["05"])), 2) for day in days] == [float(psi) for psi in indexes]
    families = [row for row in rows if row[0] == str(len(VARIANTS))]
    assert [row[3] for row in families] == [str(len(SENDERS))] != []
    variants = [[*row[:5], row[5].replace(",", "")] for row in rows if re.fullmatch(r"v\d", row[0])]
    assert len(variants) == len(VARIANTS)
    for row in (*(row[:5] for row in families), *variants):
        assert re.sub(r"(?<= )\.", "0.", " ".join(row)) in seen["02"]
    complained, port = found(r"(\d+ of \d+) messages of (\d+)", text)
    assert f"{port} ordinary {' '.join(reversed(complained.split(' of ')))}" in seen["03"]
    replayed, stopped = found(r"([\d,]+) decisions, (\d+) of them newly stopped", text)
    assert f"{replayed} decisions," in seen["07"]
    assert f"newly stopped: {stopped} messages" in seen["07"]
    texts = re.findall(r" (\d+) (\d+) 0\.\d+ 11-\d\d \d\d:\d\d 【", seen["07"])
    of_others = [int(times) for sender, times in texts if sender not in {"106590770012", "10690021"}]
    assert sum(of_others) == int(found(r"(\d+) messages in six days", text))


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
