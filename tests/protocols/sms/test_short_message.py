"""One SMS as a phone reads it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.sms.short_message import short_message
from tests.protocols.sms.test_wap_push import SAMPLE

SAR = Concatenation(99, 3, 2, 2)


def test_the_place_in_the_header_goes_before_the_protocols() -> None:
    message = short_message(b"\x05\x00\x03\x07\x02\x01hi", Alphabet.ASCII, True, SAR)
    assert (message.place, message.text) == (Concatenation(7, 2, 1), "hi")
    assert short_message(b"hi", Alphabet.ASCII, False, SAR).place == SAR
    ports_only = short_message(b"\x06\x05\x04\x0b\x84\x23\xf0hi", Alphabet.ASCII, True, SAR)
    assert ports_only.place == SAR


def test_a_header_that_does_not_fit_is_read_as_text() -> None:
    message = short_message(b"hello", Alphabet.ASCII, headed=True)
    assert (message.text, message.suspect, message.place) == ("hello", True, None)


def test_a_national_language_of_the_header() -> None:
    message = short_message(b"\x03\x24\x01\x01\x1b\x67", Alphabet.GSM7, headed=True)
    assert message.text == "ğ"


def test_a_push_is_known_by_its_destination_port() -> None:
    content = bytes.fromhex(SAMPLE)[-70:]
    push = short_message(content, Alphabet.BINARY, headed=True).push
    assert push is not None
    assert push.link == "http://wap.example.com/a?id=1"
    other_port = content[:3] + b"\x15\x81" + content[5:]
    assert short_message(other_port, Alphabet.BINARY, headed=True).push is None


@given(st.binary(max_size=160), st.sampled_from(Alphabet), st.booleans())
def test_any_octets_are_a_message(content: bytes, alphabet: Alphabet, headed: bool) -> None:
    message = short_message(content, alphabet, headed)
    assert len(message.content) <= len(content)
    assert (message.text is None) == (alphabet is Alphabet.BINARY)
    assert message.push is None or message.push.kind in ("SI", "SL", "MMS")
