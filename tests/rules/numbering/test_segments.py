"""The carrier of a number: longest prefix, then those that moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.rules.numbering.segments import Segments, parse_ported, parse_segments, shipped_segments


@pytest.mark.parametrize(
    ("number", "carrier"),
    [
        ("13800138000", "China Mobile"),
        ("13492000000", "China Telecom"),  # 13492, although 1348 and 1341 are another's
        ("13480000000", "China Mobile"),
        ("18900000000", "China Telecom"),
        ("17040000000", "China Unicom"),
        ("17406000000", "Other"),
        ("19200000000", "China Broadnet"),
        ("1440000000000", "China Mobile"),  # 13 digits: a machine's
        ("1440000000", None),
        ("10690001", None),
        ("442071838750", None),
    ],
)
def test_shipped_table(number: str, carrier: str | None) -> None:
    assert Segments(shipped_segments()).carrier_of(number) == carrier


def test_a_number_that_moved_is_its_new_carriers() -> None:
    ported = parse_ported("number,carrier\n13800138000,China Unicom\n", "ported.csv")
    segments = Segments(shipped_segments(), ported)
    assert segments.carrier_of("13800138000") == "China Unicom"
    assert segments.carrier_of("13800138001") == "China Mobile"


@given(
    st.dictionaries(st.from_regex(r"1[0-9]{1,4}", fullmatch=True), st.sampled_from("abc"), max_size=30),
    st.from_regex(r"1[0-9]{10}", fullmatch=True),
)
def test_the_longest_prefix_counts(carriers: dict[str, str], number: str) -> None:
    fitting = [prefix for prefix in carriers if number.startswith(prefix)]
    expected = carriers[max(fitting, key=len)] if fitting else None
    assert Segments(carriers).carrier_of(number) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("prefix,carrier\n", "t.csv:1: header must be prefix,carrier,kind"),
        ("prefix,carrier,kind\n23,a,b\n", "t.csv:2: a prefix of 2 to 5 digits"),
        ("prefix,carrier,kind\n130,,b\n", "t.csv:2: no carrier"),
        ("prefix,carrier,kind\n130,a,b\n130,c,b\n", "t.csv:3: .*not that of an earlier line"),
    ],
)
def test_a_bad_table_names_its_line(text: str, fault: str) -> None:
    with pytest.raises(AntispamError, match=fault):
        parse_segments(text, "t.csv")
