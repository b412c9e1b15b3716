"""TPDUs of modem logs and record files."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.frames import FrameError
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.gsm7 import pack
from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.sms.tpdu import Deliver, StatusReport, Submit, read_tpdu
from tests.protocols.sms.test_wap_push import SAMPLE


def test_a_delivered_text_in_seven_bits() -> None:
    text = pack(b"hellohello")
    octets = (
        bytes.fromhex("0891683108200505F0" + "04" + "0D91683108108300F0" + "0000" + "62112141035023") + b"\x0a" + text
    )
    reading = read_tpdu(octets)
    assert isinstance(reading.tpdu, Deliver)
    assert (reading.smsc, reading.tpdu.sender) == ("+8613800250500", "+8613800138000")
    assert reading.tpdu.time == "2026-11-12T14:30:05+08:00"
    assert (reading.tpdu.data.message.text, reading.tpdu.more) == ("hellohello", False)


def test_a_tpdu_without_the_address_of_its_smsc() -> None:
    whole = bytes.fromhex(SAMPLE)
    assert read_tpdu(whole[1:]) == read_tpdu(whole)
    delivered = bytes.fromhex("040D91683108108300F0000062112141035023") + b"\x0a" + pack(b"hellohello")
    reading = read_tpdu(delivered)
    assert isinstance(reading.tpdu, Deliver)
    assert (reading.smsc, reading.tpdu.data.message.text) == ("", "hellohello")


def test_a_part_in_seven_bits_begins_behind_fill_bits() -> None:
    header = bytes.fromhex("0500032a0201")
    octets = bytes.fromhex("0041000BA13108086406F60000") + b"\x0c" + header + bytes.fromhex("d06536fb0d")
    tpdu = read_tpdu(octets).tpdu
    assert isinstance(tpdu, Submit)
    assert tpdu.data.message.text == "hello"
    assert tpdu.data.message.header is not None
    assert tpdu.data.message.header.concatenation == Concatenation(0x2A, 2, 1)
    assert tpdu.validity is None


def test_ucs2_with_emoji_and_a_zone_west_of_greenwich() -> None:
    text = "您好😀".encode("utf-16-be")
    octets = bytes.fromhex("00" + "00" + "05A12143F5" + "0008" + "6211214103508A") + bytes((len(text),)) + text
    tpdu = read_tpdu(octets).tpdu
    assert isinstance(tpdu, Deliver)
    assert (tpdu.sender, tpdu.data.message.text, tpdu.data.message.alphabet) == ("12345", "您好😀", Alphabet.UTF_16)
    assert tpdu.time == "2026-11-12T14:30:05-07:00"
    assert tpdu.more


def test_an_alphanumeric_sender() -> None:
    sender = pack(b"ICBC95588")
    octets = b"\0\x04" + bytes((16, 0xD0)) + sender + bytes.fromhex("0000" + "62112141035023" + "00")
    tpdu = read_tpdu(octets).tpdu
    assert isinstance(tpdu, Deliver)
    assert tpdu.sender == "ICBC95588"


def test_a_status_report() -> None:
    octets = bytes.fromhex("0006" + "07" + "0BA13108086406F6" + "62112141035023" + "62112141035123" + "00" + "ffff")
    reading = read_tpdu(octets)
    assert isinstance(reading.tpdu, StatusReport)
    assert (reading.tpdu.reference, reading.tpdu.recipient, reading.tpdu.status) == (7, "13808046606", 0)
    assert reading.surplus == b"\xff\xff"


def test_a_header_that_does_not_fit_is_text_and_suspect() -> None:
    octets = bytes.fromhex("0041000BA13108086406F60004" + "06" + "7f0003010101")
    tpdu = read_tpdu(octets).tpdu
    assert isinstance(tpdu, Submit)
    assert tpdu.data.message.suspect
    assert tpdu.data.message.content == bytes.fromhex("7f0003010101")


@pytest.mark.parametrize(
    ("value", "minutes"), [(0, 5), (143, 720), (144, 750), (167, 1440), (168, 2880), (196, 43200), (255, 635040)]
)
def test_validity(value: int, minutes: int) -> None:
    octets = bytes.fromhex("0011000BA13108086406F60004") + bytes((value, 0))
    tpdu = read_tpdu(octets).tpdu
    assert isinstance(tpdu, Submit)
    assert tpdu.validity == minutes


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        ("", "SMSC: 0 octets"),
        ("0003", "reserved message type"),
        ("005100FFA1", "recipient: 255 digits"),
        ("0041000BA13108086406F60008FF", "255 octets of user data, at most 140 expected"),
        ("0041000BA13108086406F6000805ff", "user data: 15 octets, at least 19 expected"),
        ("00" * 201, "201 octets, at most 200"),
    ],
)
def test_what_is_wrong_is_said(octets: str, fault: str) -> None:
    with pytest.raises(FrameError, match=fault):
        read_tpdu(bytes.fromhex(octets))


@given(st.binary(max_size=210) | st.integers(0, 90).map(lambda end: bytes.fromhex(SAMPLE)[:end]))
def test_any_octets_are_a_tpdu_or_a_frame_error(octets: bytes) -> None:
    with suppress(FrameError):
        tpdu = read_tpdu(octets).tpdu
        if not isinstance(tpdu, StatusReport):
            assert tpdu.data.message.text is None or isinstance(tpdu.data.message.text, str)
