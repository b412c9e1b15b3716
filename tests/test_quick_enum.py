"""A quick enumeration differs from another one in its speed only."""

import pickle
from copy import deepcopy
from enum import StrEnum

import msgspec

from pipeline.quick_enum import quick


@quick
class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def test_members_are_found_by_name_and_by_value() -> None:
    assert [Colour.RED, Colour["BLUE"]] == list(Colour) == [Colour("red"), Colour("blue")]
    assert (Colour.RED.value, Colour.RED.name, f"{Colour.RED}") == ("red", "RED", "red")


def test_copies_and_records_hold_the_same_member() -> None:
    assert pickle.loads(pickle.dumps(Colour.RED)) is deepcopy(Colour.RED) is Colour.RED
    assert msgspec.json.decode(msgspec.json.encode(Colour.RED), type=Colour) is Colour.RED
