"""Texts as SMS parts: choice of coding, and splitting of long texts.

Outgoing text is ASCII if all its characters are (coding 0, one octet a character), else UCS2 (coding 8). Handsets get
UCS2 from their SMSC anyway, so GB characters (coding 15) are decoded but never sent. A part has fewer than 160 octets
of ASCII, which the SMSC packs into 7 bits each, or at most 140 octets of another coding. The parts of a longer text
begin with the 6-octet header `05 00 03 ref total number`, which counts towards the limit: 153 characters of ASCII or
67 of UCS2 remain. A character of two UCS2 units (emoji), or of two septets, is never split.

A text whose signature is inserted is cut anew: `parts` takes the whole text.

Source: GSM 03.38, 03.40; CMPP 3.0 Msg_Fmt and Msg_Length. SMSGate 2.1.13.5 cuts ASCII at the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.alphabet import Alphabet, decoded, of_chinese_coding
from pipeline.protocols.sms.gsm7 import ESC, septets
from pipeline.protocols.sms.header import WAP_PUSH, Concatenation, read_header, write_header

ASCII, BINARY, UCS2, GB = 0, 4, 8, 15
HEADER = 6  # octets of the header in each part of a longer text; 7 septets
GSM7_LIMIT, SEPTETS_OF_PART = 160, 153
MOST_PARTS = 255
_PLAIN = frozenset("\r\n" + "".join(map(chr, range(0x20, 0x7F))))


def part_limit(coding: int) -> int:
    """The most octets of one part in this coding, including its user data header."""
    return 159 if coding == ASCII else 140


@dataclass(frozen=True, slots=True)
class TextPart:
    """One SMS, part `number` of `total`. If `headed`, the content begins with a user data header."""

    coding: int
    content: bytes
    number: int
    total: int
    headed: bool


def parts(text: str, reference: int, seven_bit: Alphabet = Alphabet.ASCII) -> tuple[TextPart, ...]:
    """Split a text into SMS parts. `reference` (0 to 255) distinguishes the long messages to one recipient.

    `seven_bit` is what the peer takes for coding 0: ASCII in the Chinese protocols, the GSM alphabet in SMPP, with one
    octet a septet. Raises ProtocolError for a text that cannot be encoded or would need more than 255 parts.
    """
    coding, octets = _encoded(text, seven_bit)
    limit = GSM7_LIMIT if coding == ASCII and seven_bit is Alphabet.GSM7 else part_limit(coding)
    if len(octets) <= limit:
        return (TextPart(coding, octets, 1, 1, headed=False),)
    room = 140 - HEADER if coding == UCS2 else SEPTETS_OF_PART
    pieces = []
    at = 0
    while at < len(octets):
        end = at + room
        if end < len(octets):
            end -= _belongs_to_next(octets[end - 2 : end], coding, seven_bit)
        pieces.append(octets[at:end])
        at = end
    total = len(pieces)
    if total > MOST_PARTS:
        raise ProtocolError(f"content: {total} parts, at most {MOST_PARTS}")
    return tuple(
        TextPart(
            coding, write_header(Concatenation(reference & 0xFF, total, number)) + piece, number, total, headed=True
        )
        for number, piece in enumerate(pieces, 1)
    )


def push_parts(content: bytes, reference: int) -> tuple[TextPart, ...]:
    """The octets of a WAP push as binary parts to its port. Raises ProtocolError if it would need more than 255."""
    room = 140 - len(write_header(Concatenation(0, 1, 1), WAP_PUSH))
    pieces = [content[at : at + room] for at in range(0, len(content), room)]
    if len(pieces) > MOST_PARTS:
        raise ProtocolError(f"push: {len(pieces)} parts, at most {MOST_PARTS}")
    return tuple(
        TextPart(
            BINARY,
            write_header(Concatenation(reference & 0xFF, len(pieces), number), WAP_PUSH) + piece,
            number,
            len(pieces),
            headed=True,
        )
        for number, piece in enumerate(pieces, 1)
    )


def _encoded(text: str, seven_bit: Alphabet) -> tuple[int, bytes]:
    if seven_bit is Alphabet.GSM7:
        found = septets(text)
        if found is not None:
            return ASCII, b"".join(found)
    elif _PLAIN.issuperset(text):
        return ASCII, text.encode("latin-1")
    try:
        return UCS2, text.encode("utf-16-be")
    except UnicodeEncodeError:
        raise ProtocolError("content: half of a surrogate pair") from None


def _belongs_to_next(last: bytes, coding: int, seven_bit: Alphabet) -> int:
    """How many of the last two octets of a part are the first half of a character."""
    if coding == UCS2:
        return 2 if last[0] & 0xFC == 0xD8 else 0  # first unit of a surrogate pair
    return int(seven_bit is Alphabet.GSM7 and last[1] == ESC)


def concatenation(content: bytes) -> Concatenation | None:
    """The concatenation in a user data header (8- or 16-bit reference); None if it is missing or invalid."""
    header = read_header(content)
    return header.concatenation if header is not None else None


def text_of(
    coding: int, content: bytes, headed: bool, alphabet_of: Callable[[int], Alphabet] = of_chinese_coding
) -> str | None:
    """The text of a part without its header; None for a coding that is not text. A malformed header is read as text."""
    header = read_header(content) if headed else None
    return decoded(content[header.size :] if header is not None else content, alphabet_of(coding), header)
