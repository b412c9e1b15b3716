"""The region of a number: where its code was given out."""

from __future__ import annotations

import csv
from importlib.resources import files
from itertools import pairwise

import pytest

from pipeline.rules.numbering.regions import REGIONS, region_of


@pytest.mark.parametrize(
    ("number", "region"),
    [
        ("13800138000", "北京"),
        ("13500000000", "广东"),
        ("13912345678", "江苏"),
        ("1440000000000", None),  # 13 digits: a machine's
        ("1380013800", None),
        ("10690001234", None),
        ("01062751234", None),
        ("138００138000", None),
        ("1380013x000", "北京"),
        ("1380x138000", None),
        ("", None),
    ],
)
def test_shipped_table(number: str, region: str | None) -> None:
    assert region_of(number) == region


def test_ranges_of_the_shipped_table_are_in_order_and_apart() -> None:
    text = (files("pipeline.rules") / "defaults" / "number_regions.csv").read_text(encoding="utf-8")
    ranges = [(int(row["first"]), int(row["codes"]), row["region"]) for row in csv.DictReader(text.splitlines())]
    assert all(first + codes <= after for (first, codes, _), (after, _, _) in pairwise(ranges))
    assert sum(codes for _, codes, _ in ranges) == 499_527
    assert {region for *_, region in ranges} == set(REGIONS)
