"""Septets as GSM 03.38 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.sms import gsm7
from pipeline.protocols.sms.gsm7 import pack, septets, text_of_septets, unpack


@pytest.mark.parametrize(
    ("text", "packed", "fill"),
    [
        ("hellohello", "e8329bfd4697d9ec37", 0),
        ("12345678", "31d98c56b3dd70", 0),
        ("1234567", "31d98c56b3dd00", 0),
        ("hello", "d06536fb0d", 1),
    ],
)
def test_vectors(text: str, packed: str, fill: int) -> None:
    assert pack(text.encode(), fill).hex() == packed
    assert unpack(bytes.fromhex(packed), len(text), fill).decode() == text


def test_the_octets_do_not_tell_a_last_at_sign() -> None:
    assert text_of_septets(unpack(bytes.fromhex("31d98c56b3dd00"), 8)) == "1234567@"


def test_tables_and_extension() -> None:
    every = text_of_septets(bytes(n for n in range(128) if n != gsm7.ESC))
    assert len(set(every)) == 127
    assert every[:3] == "@£$"
    found = septets("€[1]^{|}~\\")
    assert found is not None
    assert found[0] == b"\x1b\x65"
    assert text_of_septets(b"".join(found)) == "€[1]^{|}~\\"
    assert septets("你") is None
    assert text_of_septets(b"a\x1b") == "a"


def test_national_tables() -> None:
    assert text_of_septets(b"\x1b\x67", single=gsm7.TURKISH) == "ğ"
    assert text_of_septets(b"\x07", locking=gsm7.TURKISH) == "ı"
    assert text_of_septets(b"\x1b\x61", single=gsm7.SPANISH) == "á"
    assert text_of_septets(b"\x1b\x7b\x1b\x7c", single=gsm7.PORTUGUESE) == "ãõ"
    assert text_of_septets(b"\x5b\x12", locking=gsm7.PORTUGUESE) == "Ãª"
    assert text_of_septets(b"a", locking=99, single=99) == "a"


@given(st.binary(max_size=200).map(lambda octets: bytes(octet & 0x7F for octet in octets)), st.integers(0, 6))
def test_packed_septets_come_back(plain: bytes, fill: int) -> None:
    packed = pack(plain, fill)
    assert len(packed) == (7 * len(plain) + fill + 7) // 8
    assert unpack(packed, len(plain), fill) == plain
    assert isinstance(text_of_septets(plain), str)


@given(st.text(st.sampled_from([*text_of_septets(bytes(range(128))), "€", "["]), max_size=80))
def test_texts_of_the_alphabet_come_back(text: str) -> None:
    found = septets(text)
    assert found is not None
    assert text_of_septets(b"".join(found)) == text
