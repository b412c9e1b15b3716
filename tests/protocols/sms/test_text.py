"""Long texts become parts a handset can put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.alphabet import Alphabet, of_smpp_coding
from pipeline.protocols.sms.text import ASCII, GB, UCS2, concatenation, part_limit, parts, text_of

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=600)


@given(_TEXTS | st.text("ab1 ", max_size=400) | st.text("好😀", max_size=300), st.integers(0, 255))
def test_parts_are_the_text_again(text: str, reference: int) -> None:
    cut = parts(text, reference)
    assert "".join(text_of(p.coding, p.content, p.headed) or "" for p in cut) == text
    assert all(len(p.content) <= part_limit(p.coding) for p in cut)
    assert [p.number for p in cut] == list(range(1, len(cut) + 1))
    if len(cut) > 1:
        for part in cut:
            place = concatenation(part.content)
            assert place is not None
            assert (place.reference, place.total, place.number) == (reference, len(cut), part.number)


@pytest.mark.parametrize(
    ("text", "coding", "sizes"),
    [
        ("a" * 141, ASCII, [141]),  # one SMS, not two: Msg_Length is below 160 for Msg_Fmt 0
        ("a" * 159, ASCII, [159]),
        ("a" * 160, ASCII, [159, 13]),
        ("a" * 306, ASCII, [159, 159]),  # 153 characters a part, as 7 bits each they fill an SMS
        ("好" * 70, UCS2, [140]),
        ("好" * 71, UCS2, [140, 14]),
        ("好" * 66 + "😀" + "好" * 5, UCS2, [138, 20]),  # the pair moves into the second part whole
    ],
)
def test_sizes(text: str, coding: int, sizes: list[int]) -> None:
    cut = parts(text, 7)
    assert {p.coding for p in cut} == {coding}
    assert [len(p.content) for p in cut] == sizes


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [159, 14]),
        ("a" * 158 + "€", [160]),
        ("a" * 159 + "€", [159, 14]),
        ("a" * 152 + "€" * 5, [158, 16]),  # the two septets of a euro sign stay together
        ("é" * 160, [160]),  # in the GSM alphabet, though not ASCII
    ],
)
def test_sizes_in_the_gsm_alphabet(text: str, sizes: list[int]) -> None:
    cut = parts(text, 7, Alphabet.GSM7)
    assert [len(p.content) for p in cut] == sizes
    assert "".join(text_of(p.coding, p.content, p.headed, of_smpp_coding) or "" for p in cut) == text


@given(_TEXTS | st.text("a€[é", max_size=500), st.integers(0, 255))
def test_parts_for_smpp_are_the_text_again(text: str, reference: int) -> None:
    cut = parts(text, reference, Alphabet.GSM7)
    assert "".join(text_of(p.coding, p.content, p.headed, of_smpp_coding) or "" for p in cut) == text


def test_gb_is_read_and_octets_are_not_text() -> None:
    assert text_of(GB, "您好".encode("gb18030"), headed=False) == "您好"
    assert text_of(4, b"\x01", headed=False) is None


@given(_TEXTS, st.sampled_from(["【锦绣地产】", "[ICBC]"]), st.booleans())
def test_a_text_with_its_signature_is_cut_anew(text: str, signature: str, first: bool) -> None:
    cut = parts(text, 1)
    whole = "".join(text_of(p.coding, p.content, p.headed) or "" for p in cut)
    signed = signature + whole if first else whole + signature
    again = parts(signed, 2)
    assert "".join(text_of(p.coding, p.content, p.headed) or "" for p in again) == signed
    for part in again:  # none over 140 octets; ASCII is packed into 7 bits a character
        assert (7 * len(part.content) + 7) // 8 <= 140 if part.coding == ASCII else len(part.content) <= 140


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ProtocolError, match="surrogate"):
        parts("\ud800", 1)
    with pytest.raises(ProtocolError, match="parts, at most 255"):
        parts("好" * 67 * 256, 1)
