"""WBXML of pushes: what is malformed makes a FrameError with its place."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.frames import FrameError
from pipeline.protocols.sms.wbxml import SI, SL, read_wbxml

HEAD = bytes.fromhex("02056A00")


def test_the_kind_of_the_content_type_counts_where_the_document_names_none() -> None:
    octets = bytes.fromhex("02016A00") + b"\x85\x09\x03b.cn\0\x01"
    assert read_wbxml(octets, SL, None).attributes == {"href": "http://b.cn"}
    with pytest.raises(FrameError, match="neither"):
        read_wbxml(octets, None, None)


def test_a_name_in_the_string_table_is_skipped() -> None:
    octets = bytes.fromhex("0200006A02") + b"x\0" + b"\x45\xc6\x0b\x03a\0\x01\x01\x01"
    assert read_wbxml(octets, SI, None).attributes["href"] == "a"


def test_strings_of_two_octets_end_with_two_nuls() -> None:
    octets = bytes.fromhex("02058768" + "00") + b"\x45\x46\x03" + "中\0".encode("utf-16-be") + b"\x01\x01"
    assert read_wbxml(octets, None, None).text == "中"


def test_octets_behind_the_root_are_not_read() -> None:
    assert read_wbxml(HEAD + b"\x45\x46\x03a\0\x01\x01" + b"\xff" * 9, None, None).text == "a"


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (HEAD, "ends inside an element"),
        (HEAD + b"\x45\xc6\x0b", "ends inside"),
        (HEAD + b"\x45\xc6\x0b\x03abc", "a string without its end"),
        (HEAD + b"\x45\xc6\x0b\x83\x09\x01", "a string without its end"),
        (HEAD + b"\x45\xc6\x0a\xc3\x7f\x20", "127 octets expected"),
        (HEAD + b"\x43", "processing instructions"),
        (HEAD + b"\x45" * 40, "too deep"),
        (b"\x02" + b"\xff" * 6, "more than 5 octets"),
    ],
)
def test_what_is_malformed_is_said(octets: bytes, fault: str) -> None:
    with pytest.raises(FrameError, match=fault) as caught:
        read_wbxml(octets, SI, None)
    assert 0 <= caught.value.offset <= len(octets)


@given(st.binary(max_size=100), st.sampled_from([SI, SL]))
def test_any_octets_are_a_document_or_a_frame_error(octets: bytes, kind: str) -> None:
    for tail in (octets, HEAD + octets, HEAD + b"\x45\xc6" + octets):
        with suppress(FrameError):
            assert read_wbxml(tail, kind, None).kind in (SI, SL)
