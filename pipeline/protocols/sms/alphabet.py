"""Which alphabet the number of a coding means, and the text of octets in it.

A TPDU's data coding scheme follows GSM 03.38. The Chinese protocols use its numbers, and 15 for GB characters; their
texts in the default alphabet are ASCII, one octet a character. SMPP has a list of its own, whose default is the GSM
alphabet, one septet an octet.
"""

from __future__ import annotations

from enum import Enum

from pipeline.protocols.sms.gsm7 import text_of_septets
from pipeline.protocols.sms.header import Header

GB_CODING = 15
SIM_CODING = 3  # in the Chinese protocols: data for the SIM card


class Alphabet(Enum):
    """An alphabet by its Python codec; GSM7 and BINARY have none."""

    GSM7 = "gsm7"
    ASCII = "latin-1"  # peers put Latin-1 there too
    LATIN_1 = "iso8859-1"
    CYRILLIC = "iso8859-5"
    HEBREW = "iso8859-8"
    JIS = "shift-jis"
    ISO_2022_JP = "iso2022-jp"
    KOREAN = "euc-kr"
    UTF_16 = "utf-16-be"  # UCS2 with surrogate pairs
    GB = "gb18030"
    BINARY = ""


def of_data_coding_scheme(scheme: int) -> Alphabet:
    """The alphabet of a TPDU. Schemes that are reserved or compressed are binary: nobody knows their text."""
    group = scheme >> 4
    if group < 4:
        alphabets = (Alphabet.GSM7, Alphabet.BINARY, Alphabet.UTF_16, Alphabet.BINARY)
        return Alphabet.BINARY if scheme & 0x20 else alphabets[scheme >> 2 & 3]
    if group in (0xC, 0xD):  # message waiting
        return Alphabet.GSM7
    if group == 0xE:
        return Alphabet.UTF_16
    if group == 0xF:
        return Alphabet.BINARY if scheme & 4 else Alphabet.GSM7
    return Alphabet.BINARY


def of_chinese_coding(coding: int) -> Alphabet:
    """The alphabet of a Msg_Fmt (CMPP, SGIP, SMGP, CNGP)."""
    if coding == GB_CODING:
        return Alphabet.GB
    if coding == SIM_CODING:
        return Alphabet.BINARY
    alphabet = of_data_coding_scheme(coding)
    return Alphabet.ASCII if alphabet is Alphabet.GSM7 else alphabet


_OF_SMPP = {
    0: Alphabet.GSM7,
    1: Alphabet.ASCII,
    2: Alphabet.BINARY,
    3: Alphabet.LATIN_1,
    4: Alphabet.BINARY,
    5: Alphabet.JIS,
    6: Alphabet.CYRILLIC,
    7: Alphabet.HEBREW,
    8: Alphabet.UTF_16,
    10: Alphabet.ISO_2022_JP,
    14: Alphabet.KOREAN,
    15: Alphabet.GB,  # reserved in the specification, in use in China
}


def of_smpp_coding(coding: int) -> Alphabet:
    """The alphabet of a data_coding (SMPP)."""
    return _OF_SMPP.get(coding) or (of_data_coding_scheme(coding) if coding > 15 else Alphabet.BINARY)


def decoded(octets: bytes, alphabet: Alphabet, header: Header | None = None) -> str | None:
    """The text of octets without their header (GSM7: one septet an octet); None if they are not text.

    What is not a character of the alphabet becomes U+FFFD.
    """
    if alphabet is Alphabet.BINARY:
        return None
    if alphabet is Alphabet.GSM7:
        shifts = (header.locking_shift, header.single_shift) if header is not None else (0, 0)
        return text_of_septets(octets, *shifts)
    return octets.decode(alphabet.value, errors="replace")
