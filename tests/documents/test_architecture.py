"""The floors and rooms that docs/architecture.md shows are those of the tree."""

from __future__ import annotations

import re
import tomllib

from tests.harness.places import ROOT

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_floors_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    diagram = DOCUMENT.split("## Rooms")[1].split("```")[1].strip("\n")
    shown = [set(line.split("dashboards")[0].split()) for line in diagram.splitlines()]
    assert shown == [set(re.findall(r"\w+", layer)) for layer in layers]


def test_every_room_has_a_row() -> None:
    table = DOCUMENT.split("## Rooms")[1].split("\n## ")[0]
    rooms = [path.parent.relative_to(ROOT / "pipeline") for path in ROOT.glob("pipeline/*/**/__init__.py")]
    known = [room for room in rooms if room.parts[:2] not in {("store", "migrations"), ("text", "tables")}]
    assert [str(room) for room in known if f"`{room}/`" not in table and f"`{room.name}/`" not in table] == []
