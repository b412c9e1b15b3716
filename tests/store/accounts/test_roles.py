"""The documented matrix of rights is the one in force."""

from __future__ import annotations

from pipeline.store.accounts.roles import RIGHTS, Right, Role
from tests.harness.places import ROOT

DOCUMENT = ROOT / "docs" / "console.md"


def test_the_documented_matrix_is_in_force() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    head = next(row for row in rows if row[0] == "" and "see_traffic" in row)
    assert head[1:] == list(Right)
    told = {
        row[0]: {right for right, mark in zip(head[1:], row[1:], strict=True) if mark == "●"}
        for row in rows
        if row[0] in list(Role)
    }
    assert told == {role.value: set(rights) for role, rights in RIGHTS.items()}
