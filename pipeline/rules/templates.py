"""Registered templates (报备模板): does a text fit the wording that a port has registered?

A text that fits skips bulk review and the score. So a slot accepts only its type, and a link or a contact in any
spelling is accepted only in a slot that declares it. Matching looks for the literal parts from left to right and takes
the first occurrence of each. So it is linear in the text for every template. It may miss a fit; then the text is
screened like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.placeholders import Slot, SlotType, read_placeholders
from pipeline.text.contacts import MAX_CONTACTS, PHONE, Contact
from pipeline.text.links import MAX_LINKS, Link
from pipeline.text.normal import normalise

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_WEEKDAY = r"[本这上下]?(?:周|星期)[一二三四五六日天末]"
_MOMENT = "|".join(
    [
        r"\d{4}[\-/.]\d{1,2}[\-/.]\d{1,2}",
        r"\d{4}年",
        r"\d{1,2}月(?:\d{1,2}(?!\d))?",
        r"\d{1,2}[日号]",
        r"\d{1,2}[\-/.]\d{1,2}",
        r"[今明后昨次当][天日晚早]",
        _WEEKDAY,
        rf"(?:\d{{1,2}} )?{_MONTH}(?: \d{{4}})?",
        r"\d{1,2},? \d{4}",
        r"\d{1,2}[:：]\d{2}(?:[:：]\d{2})?",
        r"\d{1,2}[点时](?:\d{1,2}分?|半|整)?",
        "[上中下]午|[早晚]上|凌晨|[AaPp][Mm]",
        r"\d{1,3}(?:秒钟?|分钟?|个?小时|天|个工作日|周|个月|年)",
    ]
)
# Digits alone: {time}分钟, {month}月{date}日, 20261128.
_COMPACT = r"\d{1,4}|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[0-2]\d(?:[0-5]\d){1,2})?"
_CURRENCY = r"人民币|RMB|CNY|USD|HKD|EUR|(?:US|HK)?[$]|[¥￥€£]"
_FILLINGS = {
    SlotType.DIGITS: re.compile(r"[0-9]+"),
    # Number plates begin with one Chinese character. A digit is required, or any word would match. Lower-case letters
    # are refused, because messenger ids have them.
    SlotType.CODE: re.compile(r"[一-鿿]?(?=[A-Z\-·*]{0,31}[0-9])[0-9A-Z*](?:[0-9A-Z\-/·*]|(?<=[0-9]) (?=[0-9]))*"),
    SlotType.AMOUNT: re.compile(
        rf"[+\-]?(?:(?:{_CURRENCY}) ?)?[+\-]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,5}}|[0-9]{{1,12}})(?:\.[0-9]{{1,4}})?"
        r"(?:[万亿]?[元块]整?|[万角分]|[美港欧日]元|[%％])?"
    ),
    SlotType.DATE: re.compile(
        rf"{_COMPACT}|(?:(?:{_MOMENT})[ T至到~,，、()（）\-]{{0,3}}){{1,8}}(?:之?[前后内]|[起止])?"
    ),
    # Masked names and numbers too: **明, 138****0001.
    SlotType.NAME: re.compile(r"\*{0,2}[^\W\d_](?:[^\W\d_]|[ .'’·•*()（）\-])*|1[0-9]{2}\*{4}[0-9]{4}"),
    SlotType.CONTACT: re.compile(r"\+?[0-9][0-9 \-]{3,}|[A-Za-z][A-Za-z0-9_\-]{4,}"),
}
_LONGEST_CHINESE_NAME = 12  # characters; a longer text is a sentence
_chinese = re.compile(r"[一-鿿]").findall
# A messenger id as in contacts.py: Latin letters with digits or signs among them.
_an_id = re.compile(r"(?<![a-z0-9_])(?=[a-z]{1,19}[0-9_\-])[a-z][a-z0-9_\-]{5,19}(?![a-z0-9_])").search
# Fillings whose normal form would add nothing; computing it takes 150 us. The normal form joins single letters (a b c
# is abc) and reads Chinese numerals beside Latin letters as digits, so such fillings are not plain.
_SIGNS = r" :：,，、.()（）/%\-"
_FIGURES = "〇零一二三四五六七八九十百千万两幺壹贰叁肆伍陆柒捌玖拾貳參叄陸弌弍弎"
_is_plain = re.compile(
    rf"[一-鿿0-9{_SIGNS}]*"
    rf"|(?!.*(?<![A-Za-z0-9])[A-Za-z][_{_SIGNS}]+[A-Za-z0-9])(?:[A-Za-z0-9_{_SIGNS}]|(?![{_FIGURES}])[一-鿿])*"
).fullmatch
# A mobile number with any signs between its digits. contacts.py finds none across commas, because a list of figures
# has them.
_figures_of_a_mobile = re.compile(r"\W*1\W*[3-9](?:\W*[0-9]){9}\W*").fullmatch
# A mobile or service number. Landlines are left out, because an order number may look like one.
_CARRIER_NUMBER = re.compile(r"1[3-9]\d{9}|[48]00\d{7}")


@dataclass(frozen=True, slots=True)
class Template:
    """One registered template; `parts` are the literal texts around its `slots`."""

    id: str
    kind: Kind
    parts: tuple[str, ...]
    slots: tuple[Slot, ...]

    @classmethod
    def parse(cls, name: str, text: str, kind: Kind) -> Template:
        """Split a template at its placeholders.

        Raises AntispamError for a template without words, and whenever `read_placeholders` does.
        """
        try:
            parts, slots = read_placeholders(text)
        except AntispamError as error:
            raise AntispamError(f"template {name}: {error}") from None
        if not any(part.strip() for part in parts):
            raise AntispamError(f"template {name}: nothing but placeholders; it would fit any text")
        return cls(name, kind, parts, slots)

    def fits(self, text: str, links: Sequence[Link], contacts: Sequence[Contact]) -> bool:
        """True if the whole text is this template, with each placeholder filled according to its type.

        `links` and `contacts` are all those of the text.
        """
        spans = self._spans(text)
        if spans is None:
            return False
        return all(
            _holds(slot, text[start:end]) for slot, (start, end) in zip(self.slots, spans, strict=True)
        ) and _declared(text, tuple(zip(self.slots, spans, strict=True)), links, contacts)

    def _spans(self, text: str) -> list[tuple[int, int]] | None:
        """The span of each slot in the text; None if the literal parts do not match."""
        first, *rest = self.parts
        if not rest:
            return [] if text == first else None
        if not (text.startswith(first) and text.endswith(rest[-1])):  # templates of a port often begin alike
            return None
        at = len(first)
        spans = []
        for part, slot in zip(rest[:-1], self.slots, strict=False):
            found = text.find(part, at + 1, at + slot.most + len(part))
            if found < 0:
                return None
            spans.append((at, found))
            at = found + len(part)
        end = len(text) - len(rest[-1])
        if not 1 <= end - at <= self.slots[-1].most:
            return None
        return [*spans, (at, end)]


def _holds(slot: Slot, filling: str) -> bool:
    """Whether the filling of a slot is of its type; links and contacts are checked by `_declared`."""
    if "\n" in filling or "\r" in filling:
        return False
    if slot.type is SlotType.LINK:
        return True
    if slot.type is SlotType.TEXT:
        plain = filling.lower() if _is_plain(filling) else normalise(filling).text
        return _an_id(plain) is None and "@" not in plain and not _figures_of_a_mobile(plain)
    if slot.type is SlotType.DATE and _figures_of_a_mobile(filling):
        return False
    if _FILLINGS[slot.type].fullmatch(filling) is None:
        return False
    return slot.type is not SlotType.NAME or len(_chinese(filling)) <= _LONGEST_CHINESE_NAME


def _declared(
    text: str,
    filled: Sequence[tuple[Slot, tuple[int, int]]],
    links: Sequence[Link],
    contacts: Sequence[Contact],
) -> bool:
    """Whether every link and contact is part of the template's own words or in a slot that declares it."""
    if len(links) >= MAX_LINKS or len(contacts) >= MAX_CONTACTS:
        return False  # the finders stop at the limit, so the text may have more
    if not links and not contacts:  # most texts
        return all(slot.type is not SlotType.LINK for slot, _ in filled)
    for slot, span in filled:
        inside = [link for link in links if _meet((link.start, link.end), span)]
        if slot.type is SlotType.LINK:
            if len(inside) != 1 or not _is_link(inside[0], span, slot.domains):
                return False
        elif any(not _host_stands_before(text, link, span[0]) for link in inside):
            return False
        if slot.type in (SlotType.LINK, SlotType.CONTACT):
            continue
        if any(_meet((c.start, c.end), span) and not _a_number(slot, c) for c in contacts):
            return False
    return True


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _is_link(link: Link, span: tuple[int, int], domains: Sequence[str]) -> bool:
    """Whether a slot is one plain link to these domains. The words after the slot may read as part of its path."""
    return (
        link.start == span[0]
        and link.end >= span[1]
        and not (link.disguised or link.lookalike)
        and any(link.host == domain or link.host.endswith("." + domain) for domain in domains)
    )


def _host_stands_before(text: str, link: Link, place: int) -> bool:
    """Whether the template's own words hold the host of a link and a slot only its end: https://a.com/{order}."""
    before = text[link.start : place].lower()
    host = before.find(link.host)
    return host >= 0 and before[host + len(link.host) :][:1] in ("/", "?", "#") and not link.short


def _a_number(slot: Slot, contact: Contact) -> bool:
    """Whether a contact in a slot of digits is more likely an order number that begins like an area code."""
    return (
        slot.type in (SlotType.DIGITS, SlotType.CODE)
        and contact.kind == PHONE
        and _CARRIER_NUMBER.fullmatch(contact.key) is None
    )
