"""The 7-bit alphabet of GSM: characters, septets, and septets packed into octets.

A septet ESC takes the next septet from the extension table. A message may name a language whose tables replace these: a
"locking shift" the alphabet, a "single shift" the extension.

Source: GSM 03.38 v5.3.0; 3GPP TS 23.038 annex A for Turkish, Spanish and Portuguese.
"""

from __future__ import annotations

ESC = 0x1B
REPLACEMENT = "\ufffd"  # for a septet without a character
_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
TURKISH, SPANISH, PORTUGUESE = 1, 2, 3
_LOCKING = {
    TURKISH: (
        "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ"
        " !\"#¤%&'()*+,-./0123456789:;<=>?"
        "İABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
        "çabcdefghijklmnopqrstuvwxyzäöñüà"
    ),
    PORTUGUESE: (
        "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
        " !\"#º%&'()*+,-./0123456789:;<=>?"
        "ÍABCDEFGHIJKLMNOPQRSTUVWXYZÃÕÚÜ§"
        "~abcdefghijklmnopqrstuvwxyzãõ`üà"
    ),
}
_SINGLE = {
    TURKISH: _EXTENSION | {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"},
    SPANISH: _EXTENSION
    | {0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x61: "á", 0x69: "í", 0x6F: "ó", 0x75: "ú"},
    PORTUGUESE: _EXTENSION
    | dict(zip((0x05, 0x09, 0x0B, 0x0C, 0x0E, 0x0F, 0x12, 0x13), "êçÔôÁáΦΓ", strict=True))
    | dict(zip((0x15, 0x16, 0x17, 0x18, 0x19, 0x1F), "ΩΠΨΣΘÊ", strict=True))
    | dict(zip((0x41, 0x49, 0x4F, 0x55, 0x5B, 0x5C, 0x61), "ÀÍÓÚÃÕÂ", strict=True))
    | dict(zip((0x69, 0x6F, 0x75, 0x7B, 0x7C, 0x7F), "íóúãõâ", strict=True)),
}
_SEPTETS = {character: bytes((n,)) for n, character in enumerate(_DEFAULT) if n != ESC} | {
    character: bytes((ESC, n)) for n, character in _EXTENSION.items()
}


def septets(text: str) -> list[bytes] | None:
    """One or two septets for each character, in octets of their own; None if the alphabet lacks a character."""
    try:
        return [_SEPTETS[character] for character in text]
    except KeyError:
        return None


def text_of_septets(octets: bytes, locking: int = 0, single: int = 0) -> str:
    """The text of septets in octets of their own; `locking` and `single` are the languages that a header names.

    An unknown language has the default tables. An octet above 127 is not a septet and becomes a replacement character.
    """
    alphabet, extension = _LOCKING.get(locking, _DEFAULT), _SINGLE.get(single, _EXTENSION)
    found = []
    escaped = False
    for septet in octets:
        if septet > 0x7F:
            found.append(REPLACEMENT)
        elif escaped:
            found.append(extension.get(septet, alphabet[septet] if septet != ESC else " "))
        elif septet != ESC:
            found.append(alphabet[septet])
        escaped = not escaped and septet == ESC
    return "".join(found)


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Septets packed into octets, lowest bits first, behind `fill` bits of 0 (after a user data header)."""
    number = 0
    for place, septet in enumerate(septets):
        number |= septet << (fill + 7 * place)
    return number.to_bytes((fill + 7 * len(septets) + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """The first `count` septets in packed octets, behind `fill` bits. Fewer if the octets do not hold so many."""
    count = max(0, min(count, (8 * len(octets) - fill) // 7))
    number = int.from_bytes(octets, "little") >> fill
    return bytes(number >> 7 * place & 0x7F for place in range(count))
