"""Faults of form: the place, what is wrong, and what is possible there."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Literal

import msgspec
import pytest

from pipeline.text.faults.form_faults import FormFault, form_fault


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    size: int | None = None
    grown: date | None = None
    side: Literal["left", "right"] = "left"


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    leaves: tuple[Leaf, ...] = ()
    colours: tuple[Colour, ...] = ()
    notes: dict[str, str] = {}


def fault(value: Any) -> FormFault:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, Tree)
    return form_fault(error.value, Tree)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "the field 'name' is missing"),
        ({"name": "a", "leafs": []}, "unknown field 'leafs'; did you mean 'leaves'?"),
        ({"name": "a", "leaves": [{}, {"szie": 1}]}, "leaves[1]: unknown field 'szie'; did you mean 'size'?"),
        ({"name": "a", "leaves": [{"size": "x"}]}, "leaves[0].size: Expected `int | null`, got `str`"),
        ({"name": "a", "leaves": [{"side": "up"}]}, "leaves[0].side: unknown side 'up'; one of left, right"),
        ({"name": "a", "leaves": [{"grown": "May"}]}, "leaves[0].grown: a day such as 2026-03-10 expected"),
        ({"name": "a", "colours": ["gren"]}, "colours[0]: unknown colours 'gren'; did you mean 'green'?"),
        ({"name": "a", "notes": {"k": 1}}, "notes: Expected `str`, got `int`"),
        ([], "Expected `object`, got `array`"),
        ({"name": "a", "": 1}, "unknown field ''; one of colours, leaves, name, notes"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_is_possible(value: Any, said: str) -> None:
    assert str(fault(value)) == said


def test_an_unknown_name_can_be_left_out() -> None:
    found = fault({"name": "a", "leaves": [{"side": "13800000001"}]})
    assert str(found.unquoted) == "leaves[0].side: unknown value; one of left, right"
    assert fault({}).unquoted == fault({})
