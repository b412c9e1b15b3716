"""Kinds of fields: strict when written, tolerant when read, and checked before anything is allocated."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from pipeline.protocols.fields import (
    U8,
    Counted,
    CText,
    Int,
    Layout,
    LoginTime,
    Octets,
    Sized,
    Spare,
    Text,
    Versions,
)
from pipeline.protocols.frames import FrameError, ProtocolError


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    number: Annotated[int, Int(2, range(10))]
    name: Annotated[str, Text(4, least=1)]
    proof: Annotated[bytes, Octets(2)]
    only_in_2: Annotated[int, Versions(None, Int(1))] = 0
    names: Annotated[tuple[str, ...], Counted(Text(2), 1, 3)]
    content: Annotated[bytes, Sized(1, 5)]
    title: Annotated[str, CText(4)] = ""
    reserve: Annotated[str, Spare(Text(3), "")] = ""


SAMPLE = Sample(number=9, name="ab", proof=b"\1\2", names=("x", "yz"), content=b"hi", title="t", reserve="r")
OCTETS = b"\0\x09ab\0\0\1\2" + b"\2x\0yz" + b"\2hi" + b"t\0" + b"r\0\0"
OLD, NEW = Layout.of(Sample, 0), Layout.of(Sample, 1)


def test_fields_in_order() -> None:
    assert OLD.pack(SAMPLE) == OCTETS
    values, end = OLD.unpack(OCTETS, 0)
    assert (Sample(**values), end) == (SAMPLE, len(OCTETS))
    assert NEW.pack(SAMPLE) == OCTETS[:8] + b"\0" + OCTETS[8:]
    assert OLD.size is None
    assert OLD.implausible(SAMPLE) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"number": 10}, "number: 10 is not allowed, 0 to 9 expected"),
        ({"name": ""}, "name: empty"),
        ({"name": "abcde"}, "name: 5 octets, at most 4"),
        ({"name": "a "}, "name: ends in a space"),
        ({"proof": b"1"}, "proof: 1 octets, 2 expected"),
        ({"only_in_2": 1}, "only_in_2: this version has no such field"),
        ({"names": ()}, "0 names, 1 to 3 expected"),
        ({"names": ("x",) * 4}, "4 names"),
        ({"content": b"123456"}, "content: 6 octets, at most 5"),
        ({"title": "abcd"}, "title: 4 octets, at most 3"),
        ({"title": "a\0"}, "title: has NUL"),
        ({"title": "名"}, "title: characters beyond Latin-1"),
    ],
)
def test_what_does_not_fit_is_not_written(change: dict[str, object], fault: str) -> None:
    with pytest.raises(ProtocolError, match=fault):
        OLD.pack(msgspec.structs.replace(SAMPLE, **change))


def test_values_out_of_range_are_read_and_told() -> None:
    values, _ = OLD.unpack(b"\xff" + OCTETS[1:], 0)
    assert OLD.implausible(Sample(**values)) == "number: 65289 is not allowed, 0 to 9 expected"


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (OCTETS[:7], 7),
        (OCTETS[:8] + b"\xff", 8),  # 255 names: refused before they are looked for
        (OCTETS[:8] + b"\3x\0yz", 13),
        (OCTETS[:13] + b"\xffhi", 13),
        (OCTETS[:13] + b"\2hi" + b"titl", 16),
    ],
)
def test_a_fault_has_its_place(octets: bytes, offset: int) -> None:
    with pytest.raises(FrameError) as caught:
        OLD.unpack(octets, 0)
    assert caught.value.offset == offset


def test_texts_end_at_the_first_nul_or_without_spaces() -> None:
    for padded in (b"ab\0\0", b"ab  ", b"ab\0x", b"ab \0", b"ab\0 "):
        assert OLD.unpack(OCTETS[:2] + padded + OCTETS[6:], 0)[0]["name"] == "ab"


def test_a_spare_field_may_be_cut_short() -> None:
    for cut, left in ((1, "r"), (2, "r"), (3, "")):
        values, end = OLD.unpack(OCTETS[:-cut], 0)
        assert (values["reserve"], end) == (left, len(OCTETS))


def test_times_of_logins() -> None:
    class Login(msgspec.Struct):
        at: LoginTime
        other: U8 = 0

    layout = Layout.of(Login)
    assert layout.implausible(Login(at=102030405)) is None
    assert layout.implausible(Login(at=1331000000)) == "at: 1331000000 is not allowed"
