"""Placeholders of a registered template, in our syntax and in those of other platforms.

Our syntax is `{name}` or `{name:type}`: `{code:digits(6)}`, `{item:text(20)}`, `{page:link(example.com)}`. These are
accepted too: `${name}`, `#name#`, `{#name#}`, `{{name}}`, `{{name.DATA}}`, `@@name@@`, `【变量…】`, `%s`, `%d`, and
full-width braces.
Other placeholder syntax is refused: read as literal words, it would match no text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import AntispamError
from pipeline.text.brands import SHORTENERS
from pipeline.text.faults.suggestion import suggestion

MAX_TEMPLATE = 2_000  # code points; the longest accepted content
MAX_SLOTS = 50
MAX_SLOT = 32  # code points of a text slot without a declared length: fits a name or a place, no advertisement
MAX_TEXT = 64  # code points; the longest length that any slot but a link may declare
MAX_LINK = 200
_FORM = "write {name} or {name:type}, such as {code:digits} or {item:text(20)}"


class SlotType(StrEnum):
    """The type of text that may fill a slot."""

    DIGITS = "digits"
    CODE = "code"
    AMOUNT = "amount"
    DATE = "date"
    NAME = "name"
    TEXT = "text"
    LINK = "link"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class Slot:
    """A gap of a template for 1 to `most` code points; `domains` are the permitted domains of a link."""

    type: SlotType
    most: int
    domains: tuple[str, ...] = ()


_MOST = {
    SlotType.DIGITS: MAX_SLOT,
    SlotType.CODE: MAX_SLOT,
    SlotType.AMOUNT: MAX_SLOT,
    SlotType.DATE: MAX_SLOT,
    SlotType.NAME: MAX_SLOT,
    SlotType.TEXT: MAX_SLOT,
    SlotType.LINK: MAX_LINK,
    SlotType.CONTACT: MAX_SLOT,
}
# Types of placeholders without a declared type, by name. A name not listed here is a text.
_KNOWN = {
    name: of
    for of, names in {
        SlotType.CODE: "code captcha otp yzm verifycode vcode smscode 验证码 校验码 动态码 动态密码 取件码"
        " order waybill account flight plate 车牌 车牌号 订单号 运单号 单号 户号 航班号",
        SlotType.AMOUNT: "amount money price balance fee sum 金额 余额 价格 费用",
        SlotType.DATE: "date time datetime clock 日期 时间",
        SlotType.NAME: "name username customer 姓名 名字 称呼 用户名 客户",
        SlotType.DIGITS: "minutes minute min tail digits 分钟 分钟数 尾号",
    }.items()
    for name in names.split()
}
_INNER = r"[^{}#\n]{0,200}"
_PLACEHOLDER = re.compile(
    rf"\$?\{{\{{\s*(?P<double>{_INNER})\s*\}}\}}|\{{#(?P<hashed>{_INNER})#\}}|\$?\{{(?P<ours>{_INNER})\}}"
    r"|#(?P<signs>[^#\n{}]{1,32})#|@@(?P<ats>[^@\n{}]{1,32})@@|【(?P<variable>变量[^【】\n]{0,16})】"
    r"|(?<![0-9%])%(?:\d\$)?(?P<printf>[sd])(?![A-Za-z])"
)
_STRAY = re.compile(
    r"[{}]|@@|<%|%>|\$[A-Za-z_(][A-Za-z0-9_]*|@[A-Za-z_]\w{0,31}@|<[A-Za-z_]\w{0,31}>"
    r"|%[A-Za-z_]\w{0,31}%|\[变量[^\]\n]{0,16}\]"
)
_FULL_WIDTH = str.maketrans("｛｝＄＃＠％：（），", "{}$#@%:(),")
_TYPE = re.compile(r"([a-z]+)(?:\(([^()]*)\))?")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9\-]{1,61}")


def read_placeholders(text: str) -> tuple[tuple[str, ...], tuple[Slot, ...]]:
    """The literal parts of a template and the slots between them.

    Adjacent placeholders form one slot: of their common type, or else a text.
    Raises AntispamError naming the fault, its place and the accepted syntax.
    """
    if len(text) > MAX_TEMPLATE:
        raise AntispamError(f"{len(text)} characters; a template has up to {MAX_TEMPLATE}")
    parts: list[str] = []
    runs: list[list[Slot]] = []
    end = -1  # end of the previous placeholder
    for found in _PLACEHOLDER.finditer(_plain_braces(text)):
        slot = _slot(found)
        if found.start() == end:
            runs[-1].append(slot)
        else:
            parts.append(_literal(text, max(end, 0), found.start()))
            runs.append([slot])
        end = found.end()
    parts.append(_literal(text, max(end, 0), len(text)))
    if len(runs) > MAX_SLOTS:
        raise AntispamError(f"{len(runs)} placeholders; a template has up to {MAX_SLOTS}")
    return tuple(parts), tuple(map(_as_one, runs))


def _plain_braces(text: str) -> str:
    """The text with full-width signs as ASCII if it has full-width braces, else unchanged."""
    return text.translate(_FULL_WIDTH) if "｛" in text or "｝" in text else text


def _literal(text: str, start: int, end: int) -> str:
    part = text[start:end]
    stray = _STRAY.search(_plain_braces(part))
    if stray is not None:
        what = part[stray.start() : stray.end()]
        raise AntispamError(f"{what!r} at character {start + stray.start() + 1} is not a known placeholder; {_FORM}")
    return part


def _slot(found: re.Match[str]) -> Slot:
    written = next((group for group in found.groups() if group is not None), "")
    if found["printf"]:
        return Slot(SlotType.DIGITS if written == "d" else SlotType.TEXT, MAX_SLOT)
    name, colon, kind = written.partition(":")
    name = name.strip()
    if len(name) > MAX_SLOT:
        raise AntispamError(f"{name[:40]!r}: a placeholder's name has up to {MAX_SLOT} characters; {_FORM}")
    if not colon:
        of = _KNOWN.get(name.removesuffix(".DATA").casefold(), SlotType.TEXT)
        return Slot(of, _MOST[of])
    try:
        return _typed(kind.strip())
    except AntispamError as error:
        raise AntispamError(f"{found[0][:60]!r} at character {found.start() + 1}: {error}") from None


def _typed(written: str) -> Slot:
    found = _TYPE.fullmatch(written)
    if found is None or found[1] not in _MOST:
        name = written.partition("(")[0]
        raise AntispamError(f"unknown type {written[:40]!r}; {suggestion(name, [of.value for of in SlotType])}")
    of, given = SlotType(found[1]), found[2]
    if of is SlotType.LINK:
        return Slot(of, MAX_LINK, _domains(given or ""))
    if given is None:
        return Slot(of, _MOST[of])
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:4]) <= MAX_TEXT):
        raise AntispamError(f"{of}(n): n is from 1 to {MAX_TEXT}, not {given[:20]!r}")
    return Slot(of, int(given))


def _domains(given: str) -> tuple[str, ...]:
    domains = tuple(domain.strip().lower() for domain in given.split(","))
    for domain in domains:
        if not domain:
            raise AntispamError("a link declares the permitted domains: link(example.com)")
        if not _DOMAIN.fullmatch(domain):
            raise AntispamError(f"{domain[:60]!r} is not a domain; declare the permitted domains: link(example.com)")
        if domain in SHORTENERS:
            raise AntispamError(f"{domain} is a link shortener; declare the domains where its links end")
    return domains


def _as_one(run: list[Slot]) -> Slot:
    if len(set(run)) == 1:
        return run[0]
    if any(slot.type in (SlotType.LINK, SlotType.CONTACT) for slot in run):
        raise AntispamError("a link or a contact needs a word between it and the next placeholder")
    return Slot(SlotType.TEXT, max(slot.most for slot in run))
