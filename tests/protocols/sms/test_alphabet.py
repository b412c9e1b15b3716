"""Numbers of codings, as specifications and gateways use them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.sms.alphabet import (
    Alphabet,
    decoded,
    of_chinese_coding,
    of_data_coding_scheme,
    of_smpp_coding,
)


@pytest.mark.parametrize(
    ("scheme", "alphabet"),
    [
        (0x00, Alphabet.GSM7),
        (0x10, Alphabet.GSM7),
        (0xF0, Alphabet.GSM7),
        (0xF1, Alphabet.GSM7),
        (0xC8, Alphabet.GSM7),
        (0x04, Alphabet.BINARY),
        (0xF5, Alphabet.BINARY),
        (0x08, Alphabet.UTF_16),
        (0x18, Alphabet.UTF_16),
        (0xE0, Alphabet.UTF_16),
        (0x28, Alphabet.BINARY),  # compressed
        (0x80, Alphabet.BINARY),  # reserved
    ],
)
def test_data_coding_schemes(scheme: int, alphabet: Alphabet) -> None:
    assert of_data_coding_scheme(scheme) is alphabet


@pytest.mark.parametrize(
    ("coding", "alphabet"),
    [
        (0, Alphabet.ASCII),
        (3, Alphabet.BINARY),
        (4, Alphabet.BINARY),
        (8, Alphabet.UTF_16),
        (9, Alphabet.UTF_16),
        (15, Alphabet.GB),
        (0x10, Alphabet.ASCII),
        (0x18, Alphabet.UTF_16),
        (21, Alphabet.BINARY),
        (25, Alphabet.UTF_16),
        (0xF5, Alphabet.BINARY),
        (246, Alphabet.BINARY),
    ],
)
def test_chinese_codings(coding: int, alphabet: Alphabet) -> None:
    assert of_chinese_coding(coding) is alphabet


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0, b"\x00\x1b\x65", "@€"),
        (1, b"hi", "hi"),
        (3, b"\xe9", "é"),
        (6, b"\xb6", "Ж"),
        (7, b"\xe0", "א"),
        (8, b"\x60\xa8", "您"),
        (15, b"\xc4\xfa", "您"),
        (0xF0, b"\x00", "@"),
        (0x18, b"\x60\xa8", "您"),
        (4, b"\x00", None),
        (11, b"\x00", None),
    ],
)
def test_smpp_codings(coding: int, octets: bytes, text: str | None) -> None:
    assert decoded(octets, of_smpp_coding(coding)) == text


def test_what_is_no_character_is_replaced() -> None:
    assert decoded(b"\x60\xa8\x60", Alphabet.UTF_16) == "您\ufffd"
    assert decoded(b"a\x80", Alphabet.GSM7) == "a\ufffd"


@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_octets_in_any_coding_are_text_or_none(coding: int, octets: bytes) -> None:
    for alphabet_of in (of_chinese_coding, of_smpp_coding, of_data_coding_scheme):
        text = decoded(octets, alphabet_of(coding))
        assert text is None or isinstance(text, str)
