"""Files that documents, docstrings and comments name are there, and links of documents lead to something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness.places import ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
CODE = [path for room in ("pipeline", "dashboards", "tests") for path in ROOT.glob(f"{room}/**/*.py")]
MODULES = [f"/{path.relative_to(ROOT)}" for path in [*CODE, *ROOT.glob("docs/*.py")]]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        found = document.parent / file if file else document
        assert found.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w\- ]", "", line).lower().replace(" ", "-") for line in headings], target


def test_modules_that_are_named_exist() -> None:
    lost = [
        f"{named(path)}: {name}"
        for path in [*DOCUMENTS, *CODE]
        for name in re.findall(r"(?<![\w./<>{}*-])[\w./-]*\w\.py\b", path.read_text(encoding="utf-8"))
        if not any(module.endswith(f"/{name.lstrip('./')}") for module in MODULES)
    ]
    assert lost == []
