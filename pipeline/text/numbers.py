"""The canonical form of a phone number or service code, from any spelling.

Lists, records, submissions, reports and searches compare numbers as strings, so each number must have one spelling.
`number` returns it, or None for a text that is not a plausible number. It never guesses: two numbers in one text, a
mobile number of ten or twelve digits, and a word return None.

| kind | canonical form | also accepted |
|---|---|---|
| mobile | 11 digits from 13 to 19 | +86, 0086 or 86 before it, then one 0 |
| machine (M2M) | 13 digits from 14 or 1064 | +86, 0086 or 86 before it |
| fixed line | 0, area code, 7 or 8 digits | +86, 0086 or 86 before it, then with or without the 0 |
| 400 and 800 | 10 digits | +86, 0086 or 86 before it |
| service code | unchanged: 100…, 101…, 106…, 11…, 12…, 95…, 96…, 179xx | +86, 0086 or 86 before it |
| foreign | country code and number, 7 to 15 digits | + or 00 before it, (0) behind the country code |
| other code | unchanged: 3 to 21 digits, the first from 2 to 9 | |

A foreign number whose digits could be a mainland number keeps the prefix 00: `+1 380 555 0100` is `0013805550100`,
not the mobile 138 0555 0100. Blanks, hyphens and brackets may stand between the digits of a subscriber's number. They
may not stand inside a service code (3 to 21 digits), or two codes in one cell would be read as a third. Full-width
characters are read as ASCII. Invisible characters that are copied along from telephone books are dropped.

A number that begins like a service code after 86 is a service code: `8610690001` is not a Beijing number.

Source of the shapes: the national numbering plan (lengths of mobile, data and fixed numbers, area codes
10, 2x and three digits from 3 to 9); ITU-T E.164 (15 digits at most); the North American plan for +1.
"""

from __future__ import annotations

import re

CODE_LENGTHS = range(3, 22)  # digits of a service code
LONGEST_TEXT = 64  # characters; enough for 21 digits and the signs between them
_MOBILE_WITHIN = re.compile(r"(1[3-9]\d)\d{4}(\d{4})(?!\d)")
_PLAIN: dict[int, int | str | None] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x3000), " "),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"),
    # Zero-width and direction marks: iOS wraps a copied number in U+202D and U+202C.
    **dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)),
}
_WRITTEN = re.compile(r"[( ]{0,2}(?P<plus>\+)?[( ]{0,2}(?P<digits>[0-9](?:[ \-()]{0,3}[0-9]){2,24})\)?")
_BETWEEN = re.compile(r"[ \-()]+")
_COUNTRY = re.compile(r"86[ \-()]*")
_TRUNK_ZERO = re.compile(r"\( ?0 ?\)")  # +44 (0)20 …: the 0 is dialled only inside the country
_CODE = re.compile(rf"[0-9]{{{CODE_LENGTHS[0]},{CODE_LENGTHS[-1]}}}")

_is_mobile = re.compile(r"1[3-9][0-9]{9}").fullmatch  # the most frequent spelling; checked first for speed
_MOBILE = re.compile(r"0?(1[3-9][0-9]{9})")  # 0 is the prefix of long-distance calls
_HIDDEN = re.compile("[*xX#\u2022\u25cf\u00d7]")
_MASKED = re.compile(
    r"(?:(?:\+|00)?86[ -]?)?(1[ -]?[3-9](?=(?:[ -]?[0-9]){0,7}[ -]?[*xX#\u2022\u25cf\u00d7])"
    r"(?:[ -]?[0-9*xX#\u2022\u25cf\u00d7]){9})"
)
_SUBSCRIBER = re.compile(
    r"14[0-9]{11}|1064[0-9]{9}"
    r"|0(?:10|2[0-9])[2-9][0-9]{7}|0[3-9][0-9]{2}[2-9][0-9]{6,7}"
    r"|[48]00[0-9]{7}"
)
_SERVICE = re.compile(r"1(?:0[016]|[12][0-9])[0-9]{0,18}|9[56][0-9]{3,19}|179[0-9]{2}(?:1[3-9][0-9]{9})?")
_FOREIGN = re.compile(r"[2-9][0-9]{6,14}|1[2-9][0-9]{2}[2-9][0-9]{6}")  # +1: area code and exchange begin with 2 to 9
_OTHER = re.compile(r"(?!86|9[56])[2-9][0-9]{2,20}")


def number(text: str) -> str | None:
    """The canonical form of a number; None if the text is not a number. `number(number(text))` is `number(text)`."""
    if _is_mobile(text):
        return text
    written = _written(text)
    if written is None:
        return None
    digits, international = written
    if mainland := _COUNTRY.match(digits):
        rest = digits[mainland.end() :]
        return _national(rest) or _national(f"0{rest}")  # a fixed line may be written without its 0
    form = _national(digits)
    if not international:
        return form or (digits if _OTHER.fullmatch(digits) else None)
    plain = _BETWEEN.sub("", digits)
    if _FOREIGN.fullmatch(plain):
        return f"00{plain}" if plain[0] == "1" or _national(plain) else plain
    return digits if _SERVICE.fullmatch(digits) else None  # some software writes + before every number


def service_code(text: str) -> str | None:
    """The canonical form of a port's code, or of a sender that may be a port; None if the text is neither.

    Accepts all numbers of `number` and also any 3 to 21 digits, because operators assign codes of their own.
    """
    form = number(text)
    if form is None and (written := _written(text)) and not written[1] and _CODE.fullmatch(written[0]):
        return written[0]
    return form


def masked(text: str) -> str:
    """The text with the middle of each mobile number hidden, for audit rows, logs and pages; service codes stay."""
    return _MOBILE_WITHIN.sub(r"\1****\2", text)


def masked_mobile(text: str) -> str | None:
    """A mobile number whose middle or end is hidden, as complaint channels write it: 11 signs, hidden ones as `*`.

    `+86 138-xxxx-1234` is `138****1234`. None for any other text, a complete number included.
    """
    if len(text) > LONGEST_TEXT:
        return None
    found = _MASKED.fullmatch(text.translate(_PLAIN).strip())
    return None if found is None else _HIDDEN.sub("*", _BETWEEN.sub("", found[1]))


def _written(text: str) -> tuple[str, bool] | None:
    """The digits and the signs between them, without the prefix + or 00, and whether the text had this prefix."""
    if len(text) > LONGEST_TEXT:
        return None
    found = _WRITTEN.fullmatch(text.translate(_PLAIN).strip())
    if not found:
        return None
    digits = found["digits"]
    if not found["plus"] and not digits.startswith("00"):
        return digits, False
    return _TRUNK_ZERO.sub("", digits if found["plus"] else digits[2:].lstrip("( )-"), count=1), True


def _national(digits: str) -> str | None:
    """The canonical form of a number in mainland notation; None if the digits are not one."""
    plain = _BETWEEN.sub("", digits)
    if mobile := _MOBILE.fullmatch(plain):
        return mobile[1]
    return plain if _SUBSCRIBER.fullmatch(plain) or _SERVICE.fullmatch(digits) else None
