"""User data headers of phones and gateways, good and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.sms.header import Concatenation, Header, read_header, write_header


@pytest.mark.parametrize(
    ("octets", "header"),
    [
        ("0500032a0201", Header(6, Concatenation(0x2A, 2, 1))),
        ("06080412340201", Header(7, Concatenation(0x1234, 2, 1, 2))),
        ("0b05040b8423f00003030101", Header(12, Concatenation(3, 1, 1), 2948)),
        ("0a000303020104040b84f000", None),  # the last element runs past the header
        ("0900030302010402840b", Header(10, Concatenation(3, 2, 1), 0x84)),
        ("0924010125010370014a", Header(10, None, None, 1, 3)),
        ("0a70010a0500032a0201ff01", None),
        ("00", Header(1)),
        ("050003010200", Header(6)),  # part 0
        ("050003010203", Header(6)),  # part 3 of 2
        ("", None),
        ("05", None),
        ("0500030102", None),
        ("0500ff010203", None),
        ("0100", None),
    ],
)
def test_headers(octets: str, header: Header | None) -> None:
    assert read_header(bytes.fromhex(octets)) == header


def test_of_two_concatenations_the_last_counts() -> None:
    octets = bytes.fromhex("0b" + "0003010201" + "080400020302")
    header = read_header(octets)
    assert header is not None
    assert header.concatenation == Concatenation(2, 3, 2, 2)


@given(st.sampled_from([1, 2]), st.data(), st.none() | st.integers(0, 0xFFFF), st.binary(max_size=20))
def test_a_written_header_comes_back(width: int, data: st.DataObject, port: int | None, text: bytes) -> None:
    total = data.draw(st.integers(1, 255))
    place = Concatenation(data.draw(st.integers(0, 256**width - 1)), total, data.draw(st.integers(1, total)), width)
    octets = write_header(place, port)
    assert read_header(octets + text) == Header(len(octets), place, port)


@given(st.binary(max_size=60))
def test_any_octets_have_a_header_or_none(content: bytes) -> None:
    header = read_header(content)
    if header is not None:
        assert header.size <= len(content)
        place = header.concatenation
        assert place is None or 1 <= place.number <= place.total
