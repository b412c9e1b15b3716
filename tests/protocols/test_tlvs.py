"""Optional parameters at the end of a message."""

from __future__ import annotations

import pytest

from pipeline.protocols.frames import FrameError, ProtocolError
from pipeline.protocols.tlvs import Parameter, Tlv, Tlvs, first, number

TLVS = Tlvs({1: number("pid"), 2: Parameter("link", 0, 3)})


def test_known_and_unknown_parameters_are_kept_in_order() -> None:
    tlvs = (Tlv(2, b"ab"), Tlv(0x1400, b"\xff"), Tlv(1, b"\5"), Tlv(1, b"\6"))
    octets = TLVS.pack(tlvs, "tlvs", None)
    assert TLVS.unpack(octets, 0, "tlvs") == (tlvs, len(octets))
    assert TLVS.plain(tlvs) == {"link": "6162", "0x1400": "ff", "pid": 5, "pid (2)": 6}
    assert first(tlvs, 1) == b"\5"
    assert first(tlvs, 3) is None


def test_octets_that_cannot_be_a_parameter_are_surplus() -> None:
    octets = TLVS.pack((Tlv(1, b"\5"),), "tlvs", None)
    assert TLVS.unpack(octets + bytes(3), 0, "tlvs") == ((Tlv(1, b"\5"),), len(octets))


def test_a_parameter_that_runs_past_the_frame_is_refused_with_its_place() -> None:
    with pytest.raises(FrameError, match="a parameter ends at 13") as caught:
        TLVS.unpack(b"\0\1\0\1\5" + b"\0\2\0\4abc", 0, "tlvs")
    assert caught.value.offset == 5


@pytest.mark.parametrize(
    ("tlv", "fault"),
    [
        (Tlv(1, b""), "pid has 0 octets, 1 to 1 expected"),
        (Tlv(2, b"abcd"), "link has 4 octets"),
        (Tlv(0x10000, b""), "does not fit"),
        (Tlv(9, bytes(0x10000)), "does not fit"),
    ],
)
def test_what_does_not_fit_is_not_sent(tlv: Tlv, fault: str) -> None:
    with pytest.raises(ProtocolError, match=fault):
        TLVS.pack((tlv,), "tlvs", None)
