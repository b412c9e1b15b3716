"""Contacts in a text: telephone, QQ, WeChat, Telegram, also in disguise (加薇❤ abc_123, 1-3-8…).

Contacts are read from the normal form, in which circled, full-width and Chinese numerals are digits already. The key
is the canonical spelling of a contact. Campaigns are grouped by it, because spammers change their texts sooner than
their contacts.

Source of number shapes: the national numbering plan (mobile 1[3-9] + 9 digits, area codes 0 + 2 or 3
digits, 400 and 800 numbers); QQ numbers have 5 to 11 digits; WeChat ids 6 to 20 characters from a letter.
"""

from __future__ import annotations

import re

import msgspec
import numpy as np

from pipeline.text.normal import Normals

MAX_CONTACTS = 50  # per text; further contacts are ignored
PHONE, QQ, WECHAT, TELEGRAM = "phone", "qq", "wechat", "telegram"

# Each pattern begins with a character set, to which the regex engine skips quickly. Lookbehinds after this character
# check the text before it.
_APART = r"[^0-9a-z㐀-鿿\0\n,;:!?、。]{0,2}"  # signs and spaces (6※6※1), but no list separators
_NOT_INSIDE = r"(?<![0-9].)(?<![0-9][ \-._*].)"
_phone = re.compile(
    rf"[0148+]{_NOT_INSIDE}(?:"
    rf"(?P<mobile>(?<=1){_APART}[3-9](?:{_APART}[0-9]){{9}})"
    rf"|(?<=[48])00{_APART}[0-9](?:{_APART}[0-9]){{6}}"
    rf"|(?:(?<=8)6|(?<=\+)86|(?<=0)086){_APART}(?P<after_86>1{_APART}[3-9](?:{_APART}[0-9]){{9}})"
    rf"|(?<=0)(?:10|2[0-9]|[3-9][0-9]{{2}})[ \-)]{{0,2}}[2-9](?:[ \-]?[0-9]){{6,7}}"
    rf"|(?<=\+)[1-9][0-9]{{0,2}}(?:[ \-]?[0-9]){{7,11}}|(?<=0)(?<![a-z].)[1-9][0-9]{{9}}"
    r")(?![0-9])",
    re.DOTALL,
).finditer
_qq = re.compile(
    rf"[q扣抠叩球企](?:(?<![a-z0-9].)(?<=q){_APART}q?|(?<!q)[扣抠叩球鹅]|(?<=[扣抠叩])(?=[号群裙羣]))"
    r"[号群裙羣:是为加联系 ]{0,4}"
    rf"(?P<id>[1-9](?:{_APART}[0-9]){{4,10}})(?![0-9a-z])",
    re.DOTALL,
).finditer
_wechat = re.compile(
    r"(?:[微薇威维徽嶶溦葳vw加+➕](?:(?<=[微薇威维徽嶶溦葳v]) ?(?:信|❤️?|♥|芯|心|x(?![a-z])|xin(?![a-z]))"
    r"|(?<![a-z].)(?<=w)(?:x(?![a-z])|echat(?![a-z])|ei(?:xin(?![a-z])|[信芯心]))"
    r"|(?<=[加+➕]) ?[v微薇葳](?![a-z信❤♥芯心x]))"
    r"[号:是为加联系同搜 ]{0,5}(?P<id>[a-z][a-z0-9_\-]{5,19}(?![a-z0-9_])|[0-9]{5,11}(?![0-9a-z]))"
    # "V:" alone is ambiguous; before an id with a digit or a sign it means WeChat.
    r"|v(?<![a-z0-9].): ?(?P<short>(?=[a-z]{1,19}[0-9_\-])[a-z][a-z0-9_\-]{5,19}(?![a-z0-9_])))",
    re.DOTALL,
).finditer
_telegram = re.compile(
    r"[te电飞](?:(?<=t)(?:elegram)?\.me/|(?<=t)elegram[号群:@]{1,4} ?@?|(?<![a-z0-9].)(?<=t)g ?[:@] ?@?"
    r"|(?:(?<=电)报|(?<=飞)机)[号群:@ ]{1,4})"
    r"(?P<id>[a-z][a-z0-9_]{4,31})"
).finditer
_no_digits = re.compile(r"[^0-9]").sub
_PATTERNS = ((PHONE, _phone), (QQ, _qq), (WECHAT, _wechat), (TELEGRAM, _telegram))


class Contact(msgspec.Struct, frozen=True, gc=False):
    """A contact at code points of the raw text, `end` exclusive; `key` is its canonical spelling."""

    start: int
    end: int
    kind: str
    key: str


def find_contacts(normals: Normals) -> list[tuple[Contact, ...]]:
    """The contacts of each text, grouped by kind."""
    found: list[tuple[Contact, ...]] = [()] * len(normals.texts)
    tape = normals.tape
    text = "\0".join(normals.texts) + "\0"
    matches = [(kind, match) for kind, find in _PATTERNS for match in find(text)]
    if not matches:
        return found
    starts = [int(tape.origin[match.start()]) for _, match in matches]
    ends = normals.raw.borders
    for owner, start, (kind, match) in zip(np.searchsorted(ends, starts).tolist(), starts, matches, strict=True):
        if len(found[owner]) < MAX_CONTACTS:
            begin = int(ends[owner - 1]) + 1 if owner else 0
            end = int(tape.end[match.end() - 1]) - begin
            found[owner] = (*found[owner], Contact(start - begin, end, kind, _key(kind, match)))
    return found


def _key(kind: str, match: re.Match[str]) -> str:
    if kind == PHONE:
        return _no_digits("", match["after_86"] or match[0])
    if kind == QQ:
        return _no_digits("", match["id"])
    return match["id"] or match["short"] if kind == WECHAT else match["id"]
