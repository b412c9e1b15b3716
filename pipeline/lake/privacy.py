"""Privacy: texts and numbers as analysts may see them.

Analysts count, compare and join. They need neither the recipient of a message nor the code in it. Numbers become keyed
hashes, so equal numbers still join. Texts keep their words and lose digits, names and the paths of links. Masking
happens once, on the way into the lake: no query and no column statistics can return a value that no file holds.

Masking removes too much rather than too little: amounts go together with one-time codes. The full text is in
`lake/full`, which only its owner may read.

Source of number shapes: the national numbering plan (mobile 1[3-9] + 9 digits; service codes 10,
11, 12, 95, 96 and 106…; 12520, 12593 and 17951 are prefixes before a subscriber's number).
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pipeline.text.numbers import service_code

HASH_BYTES = 8  # 64 bits: among 10^9 numbers, 0.03 expected collisions
CACHED = 200_000  # numbers and texts remembered, about 40 MB when full

_MOBILE = r"1[3-9]\d{9}"
_IS_SERVICE = re.compile(r"(?:1[0-2]|9[56]|17951)\d*")
_MOBILE_AT_END = re.compile(rf"(?<=\d{{4}}){_MOBILE}$")
# A number alone, a number in groups of any form, and a run of digits that may hold a number.
_MOBILE_IN_ID = re.compile(
    rf"(?<!\d)(?:\+|00)?(?:86)?({_MOBILE})(?!\d)"
    r"|(?<!\d)(?:(?:\+|00)?86[ \-.]?)?(1[ \-.]?[3-9](?:[ \-.]?\d){9})(?!\d)"
    r"|\d{12,}",
    re.ASCII,
)
# Every place where a mobile number may begin, also inside another: in a longer run any 11 digits may be one.
_MOBILE_WITHIN = re.compile(rf"(?=({_MOBILE}))", re.ASCII)
_MOBILE_DIGITS = 11
_TIME_DIGITS = 13  # epoch ms
_LONG_DIGITS = re.compile(r"(?<![0-9a-f])\d(?:[ \-.]?\d){6,}(?![0-9a-f])")
_HASH_LIKE = re.compile(r"(?=.*[a-f])[0-9a-f]{16}")

# Every character with a Unicode digit value or a numeric value below 100: 5, ５, ⑤, ⑽, 𝟓 …
_DIGITS = {
    code: "*"
    for code in (
        *range(0x110),
        *range(0x660, 0x3400),
        *range(0xA620, 0xABFA),
        *range(0xFF00, 0xFF60),
        *range(0x1D7CE, 0x1D800),
        *range(0x1F100, 0x1F10D),
        *range(0x1FBF0, 0x1FBFA),
    )
    if unicodedata.category(chr(code)) in ("Nd", "No")
}
_AS_ASCII = {code: str(unicodedata.digit(chr(code))) for code in _DIGITS if unicodedata.category(chr(code)) == "Nd"}
_NUMERALS = "〇零○一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸"
_APART = r"[\s\-._,、·\u200b-\u200d\ufeff]{0,2}"
_WRITTEN_NUMBER = re.compile(rf"[*{_NUMERALS}](?:{_APART}[*{_NUMERALS}]){{4,}}")
_NUMERAL = re.compile(f"[{_NUMERALS}]")

_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@(?=[A-Za-z0-9])")
_LINK = re.compile(
    r"(?P<scheme>https?://)?(?:(?<=//)[^\s/@]{1,64}@)?"
    r"(?P<host>(?<![A-Za-z0-9\-])(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62}\.)){1,6}[A-Za-z]{2,18}(?![A-Za-z0-9])"
    r"|(?<=//)(?:\d{1,3}\.){3}\d{1,3}(?!\d))"
    r"(?P<rest>(?::\d{1,5})?(?:[/?#][!-~]*)?)",
    re.ASCII | re.IGNORECASE,
)
# Second-level labels under which a country registers names: example.com.cn, not com.cn.
_SECOND_LEVEL = frozenset(["com", "net", "org", "gov", "edu", "ac", "co", "or", "ne", "mil"])

_COMPOUND_SURNAMES = "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|令狐|司徒|夏侯|端木|长孙|宇文"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
    "陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔"
    "伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_TITLE = "先生|女士|小姐|太太|同学|老师|经理|师傅|阿姨|医生|律师|老板"
_BEFORE_TITLE = re.compile(
    rf"(?:(?:{_COMPOUND_SURNAMES}|[{_SURNAMES}])[\u4e00-\u9fff]{{0,2}}?|[\u4e00-\u9fff])(?={_TITLE})"
)
_AFTER_LABEL = re.compile(
    r"((?:收件人|收货人|联系人|客户经理|经办人|开户人|户名|姓名|我是|我叫)[:： ]?)"
    rf"((?:{_COMPOUND_SURNAMES}|[{_SURNAMES}])[\u4e00-\u9fff]{{1,2}})"
)
_AFTER_DEAR = re.compile(
    rf"((?:尊敬的|亲爱的|您好[,， ]?)[\"“]?)"
    rf"((?:{_COMPOUND_SURNAMES}|[{_SURNAMES}])[\u4e00-\u9fff]{{1,2}})(?=[,，:：!！。 ])"
)


def _registered(host: str) -> str:
    """The registered part of a host. Labels to the left of it may name a recipient."""
    labels = host.split(".")
    if labels[-1].isdigit():
        return host  # an IP address
    keep = 3 if len(labels[-1]) == 2 and len(labels) > 2 and labels[-2].lower() in _SECOND_LEVEL else 2
    name = ".".join(labels[-keep:])
    # A host with as many digits as a phone number may spell one: 1380-0138-000.com
    return name if sum(c.isdigit() for c in name) < 7 else name.translate(_DIGITS)


def _shorten(link: re.Match[str]) -> str:
    rest = "/…" if "/" in link["rest"] or "?" in link["rest"] or "#" in link["rest"] else ""
    return f"{link['scheme'] or ''}{_registered(link['host'])}{rest}"


def mask_text(text: str) -> str:
    """The text without digits, written-out numbers, names next to a salutation, and paths of links.

    A digit becomes `*`; a link keeps its scheme and registered host.
    """
    parts = []
    end = 0
    text = _EMAIL.sub("…@", text)
    for link in _LINK.finditer(text):
        parts += [_mask_words(text[end : link.start()]), _shorten(link)]
        end = link.end()
    return "".join(parts) + _mask_words(text[end:])


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found[0])


def _mask_words(text: str) -> str:
    text = text.translate(_DIGITS)
    text = _WRITTEN_NUMBER.sub(lambda run: _NUMERAL.sub("*", run[0]), text)
    text = _BEFORE_TITLE.sub(lambda name: "某" * len(name[0]), text)
    text = _AFTER_LABEL.sub(lambda name: name[1] + "某" * len(name[2]), text)
    return _AFTER_DEAR.sub(lambda name: name[1] + "某" * len(name[2]), text)


def normal_number(written: str) -> str:
    """The one form of a number (`text/numbers.py`); for any other text, its digits."""
    form = service_code(written)
    if form is not None:
        return form
    return "".join(c for c in unicodedata.normalize("NFKC", written) if c.isdigit() and c.isascii())


class Privacy:
    """Hashes and masks with one key. Each method is a pure function of its argument, with a cache."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32, person=b"antispam-lake").digest()
        remember = lru_cache(CACHED)
        self.number = remember(self._number)
        self.party = remember(self._party)
        self.text = remember(mask_text)
        self.ident = remember(self._ident)
        self.own_words = remember(self._own_words)
        self.label = remember(self._label)

    def _number(self, number: str) -> str:
        """A subscriber's number as 16 hex digits; equal numbers in any spelling have equal hashes."""
        spelled = normal_number(number) or number
        return hashlib.blake2b(spelled.encode(), key=self._key, digest_size=HASH_BYTES).hexdigest()

    def _party(self, address: str) -> str:
        """A sender or recipient: a service code is kept, a subscriber's number is hashed.

        Of a service code that ends in or contains a subscriber's number, only that number is hashed: `10658139` + hash.
        A hash stays as it is.
        """
        if _HASH_LIKE.fullmatch(address):
            return address
        digits = normal_number(address)
        if len(digits) < 7:
            return address
        if not _IS_SERVICE.match(digits):
            return self._number(address)
        found = _MOBILE_AT_END.search(digits)
        if found is None:
            return self._hidden(digits)
        return f"{self._hidden(digits[: found.start()])}+{self._number(found[0])}"

    def _hidden(self, text: str) -> str:
        """The text, with every run of digits hashed that may be a mobile number or several overlapping ones."""
        spans: list[tuple[int, int]] = []
        for found in _MOBILE_WITHIN.finditer(text):
            begin, end = found.start(), found.start() + _MOBILE_DIGITS
            if spans and begin < spans[-1][1]:
                begin = spans.pop()[0]
            spans.append((begin, end))
        for begin, end in reversed(spans):
            text = text[:begin] + self._number(text[begin:end]) + text[end:]
        return text

    def _ident(self, ident: str) -> str:
        """An id with the mobile numbers inside it hashed. Equal ids stay equal, so they join."""

        def hide(found: re.Match[str]) -> str:
            number = found[1] or found[2]
            return self._number(number) if number else self._hidden(found[0])

        return _MOBILE_IN_ID.sub(hide, ident.translate(_AS_ASCII))

    def _label(self, name: str) -> str:
        """A name given by a person, a batch's for example: masked, with a hash that keeps different names apart."""
        masked = mask_text(name)
        if masked == name:
            return name
        mark = hashlib.blake2b(name.encode(), key=self._key, digest_size=4, person=b"label").hexdigest()
        return f"{masked}#{mark}"

    def _own_words(self, text: str) -> str:
        """A message of our own (reason, alert, cause) without numbers and paths of links; small figures stay."""
        text = _LINK.sub(_shorten, _EMAIL.sub("…@", self._ident(text)))
        return _LONG_DIGITS.sub(_stars, text)

    def _figure(self, value: float) -> Any:
        """The figure, hashed if it may be a subscriber's number. 13 digits are a time and stay."""
        if _is_mobile(value):
            return self.number(str(int(value)))
        digits = str(abs(int(value))) if math.isfinite(value) else ""
        if len(digits) < _MOBILE_DIGITS or len(digits) == _TIME_DIGITS:
            return value
        hidden = self._hidden(digits)
        return value if hidden == digits else hidden

    def value(self, value: Any) -> Any:
        """A value that a rule read, of any JSON shape: hashes, figures and flags stay, texts are masked."""
        if isinstance(value, str):
            if _HASH_LIKE.fullmatch(value):
                return value
            address = value.strip()
            if re.fullmatch(r"\+?[\d \-]{5,24}", address):
                return self.party(address)
            return self.text(value)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self._figure(value)
        if isinstance(value, Mapping):
            return {self.own_words(str(key)): self.value(inner) for key, inner in value.items()}
        return [self.value(inner) for inner in value]


def _is_mobile(value: float) -> bool:
    return 13_000_000_000 <= value < 20_000_000_000 or 8_613_000_000_000 <= value < 8_620_000_000_000
