"""Regions of numbers: the province in which a mobile number was given out.

The first seven digits of a mobile number belong to one province. A subscriber who moves, or changes the carrier, keeps
them. Numbers of machines (13 digits) have no region.

Source of the shipped table: defaults/README.md.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

REGIONS = (
    *("北京", "天津", "河北", "山西", "内蒙古", "辽宁", "吉林", "黑龙江", "上海", "江苏", "浙江", "安徽", "福建"),
    *("江西", "山东", "河南", "湖北", "湖南", "广东", "广西", "海南", "重庆", "四川", "贵州", "云南", "西藏"),
    *("陕西", "甘肃", "青海", "宁夏", "新疆"),
)

_DIGITS = 7
_FIRST = 10 ** (_DIGITS - 1)  # codes begin with 1
_NUMBER_DIGITS = 11
_NAMES = ("", *REGIONS)


def region_of(number: str) -> str | None:
    """The region of a mainland mobile number in national form; None for any other number, and for a code of none."""
    code = number[:_DIGITS]
    if len(number) != _NUMBER_DIGITS or number[0] != "1" or not (code.isascii() and code.isdigit()):
        return None
    return _NAMES[_table()[int(code) - _FIRST]] or None


@cache
def _table() -> bytes:
    """The place in _NAMES of each code, a byte each (1 MB)."""
    lines = (files("pipeline.rules") / "defaults" / "number_regions.csv").read_text(encoding="utf-8").splitlines()
    places = np.zeros(_FIRST, np.uint8)  # 0: no region
    for line in lines[1:]:
        first, codes, region = line.split(",")
        begin = int(first) - _FIRST
        places[begin : begin + int(codes)] = _NAMES.index(region)
    return places.tobytes()
