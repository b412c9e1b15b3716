"""Wordings: texts with blanks, filled by a seeded random generator.

One text gives thousands of realistic messages. A registered template has the same blanks as its text, so the two always
agree. `{code}` is a named blank; `{phone:contact}` also gives the type for the template. `[a|b]` is a choice between
words, which campaigns use for synonyms. Links are under the reserved top-level domain `.example`, so no demo shows a
real page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from random import Random
from typing import TypeVar

Filler = Callable[[Random], str]
T = TypeVar("T")

_BLANK = re.compile(r"\{(\w+)(?::\w+)?\}|\[([^\]|]*\|[^\]]*)\]")
_NOTHING: Mapping[str, str] = {}

# Prefixes of mobile numbers in use by the Chinese carriers (public numbering plan).
MOBILE_PREFIXES = (
    "134",
    "135",
    "136",
    "137",
    "138",
    "139",
    "147",
    "150",
    "151",
    "152",
    "157",
    "158",
    "159",
    "178",
    "182",
    "183",
    "184",
    "187",
    "188",
    "198",
    "130",
    "131",
    "132",
    "155",
    "156",
    "166",
    "176",
    "185",
    "186",
    "133",
    "149",
    "153",
    "173",
    "177",
    "180",
    "181",
    "189",
    "191",
    "199",
)


def pick(rng: Random, among: Sequence[T]) -> T:
    """A random item of a sequence, all equally likely; several times as fast as `Random.choice`."""
    return among[int(rng.random() * len(among))]


def phone(rng: Random) -> str:
    """A random mobile number of eleven digits."""
    return f"{pick(rng, MOBILE_PREFIXES)}{int(rng.random() * 100_000_000):08d}"


def phones(rng: Random, count: int) -> list[str]:
    """`count` distinct random mobile numbers."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[phone(rng)] = None
    return list(found)


class Wording:
    """A text whose blanks are parsed once, so that filling it is fast."""

    __slots__ = ("_blanks", "_head", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._blanks: list[tuple[str, Filler, str]] = []  # name, filler, text after the blank
        found = list(_BLANK.finditer(text))
        self._head = text[: found[0].start()] if found else text
        for here, following in zip_longest(found, found[1:]):
            after = text[here.end() : following.start() if following else len(text)]
            name = here.group(1)
            filler = BLANKS[name] if name else _among(here.group(2).split("|"))
            self._blanks.append((name or "", filler, after))

    def fill(self, rng: Random, fixed: Mapping[str, str] = _NOTHING) -> str:
        """The text with every blank filled; `fixed` sets the values of some blanks by name."""
        parts = [self._head]
        for name, filler, after in self._blanks:
            parts.append(fixed[name] if name in fixed else filler(rng))
            parts.append(after)
        return "".join(parts)


@cache
def wording(text: str) -> Wording:
    """The wording of a text, cached for the process. Raises KeyError for an unknown blank."""
    return Wording(text)


def _among(words: Sequence[str]) -> Filler:
    return lambda rng: words[int(rng.random() * len(words))]


def _digits(count: int) -> Filler:
    limit = 10**count
    return lambda rng: f"{int(rng.random() * limit):0{count}d}"


def _number(low: int, high: int) -> Filler:
    return lambda rng: str(low + int(rng.random() * (high - low + 1)))


def _amount(high: int) -> Filler:
    return lambda rng: f"{1 + rng.random() * high:.2f}"


def _date(rng: Random) -> str:
    return f"{1 + int(rng.random() * 12)}月{1 + int(rng.random() * 28)}日"


def _clock(rng: Random) -> str:
    return f"{8 + int(rng.random() * 12):02d}:{int(rng.random() * 60):02d}"


def _letters(count: int) -> Filler:
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return lambda rng: "".join([alphabet[int(rng.random() * 31)] for _ in range(count)])


_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_SITES = ("go", "info", "my", "app", "m", "quick", "help")
_TRAPS = ("verify", "unfreeze", "etc-renew", "bonus", "claim", "vip88", "win365", "safe-acct")
_three, _four, _six = _letters(3), _letters(4), _letters(6)

BLANKS: dict[str, Filler] = {
    # people and places
    "surname": _among(_SURNAMES),
    "name": lambda rng: pick(rng, _SURNAMES) + ("先生" if rng.random() < 0.5 else "女士"),
    "friend": _among(("小雨", "阿杰", "老周", "婷婷", "大刘", "晓峰", "妈", "爸", "哥", "丽姐", "师傅", "小陈")),
    "child": _among(("子涵", "一诺", "浩然", "梓萱", "沐阳", "可欣", "俊熙", "雨桐")),
    "english_name": _among(("Anna", "Kevin", "Lily", "Jason", "Grace", "Leo", "Mia", "Oscar")),
    "city": _among(("澜浦", "青屿", "云堤", "枫州", "白鹭", "长汀湾", "南岭口", "北桥")),
    "place": _among(("东门", "地铁口", "图书馆", "老地方", "公司楼下", "菜市场", "体育馆", "桥头面馆", "机场")),
    "road": _among(("临湖路", "枫桥路", "建业街", "望岳大道", "滨江西路", "学院路", "银杏巷")),
    "dish": _among(("火锅", "烤鱼", "面条", "饺子", "小龙虾", "煲仔饭", "粥", "羊肉串")),
    # codes and numbers
    "code": _digits(6),
    "code4": _digits(4),
    "minutes": _among(("1", "3", "5", "10", "15", "30")),
    "tail": _digits(4),
    "order": _digits(12),
    "waybill": _number(7_000_000_000_000, 7_999_999_999_999),  # no telephone number begins like this
    "box": lambda rng: f"{1 + int(rng.random() * 9)}-{int(rng.random() * 30):02d}-{int(rng.random() * 9999):04d}",
    "account": _number(3_000_000_000, 3_999_999_999),
    "percent": _number(1, 9),
    "discount": _number(3, 9),
    "small": _number(2, 12),
    "count": _number(10, 60),
    "hundreds": _among(("100", "200", "300", "500", "800", "1000")),
    "gigabytes": _among(("5", "10", "20", "30", "50", "100")),
    "room": lambda rng: f"{1 + int(rng.random() * 28)}0{1 + int(rng.random() * 4)}",
    "amount": _amount(5000),
    "balance": _amount(90000),
    "price": _amount(300),
    "wan": _number(1, 30),
    "square": _number(78, 168),
    "degrees": _number(-5, 37),
    # times
    "date": _date,
    "clock": _clock,
    "day": _among(("今天", "明天", "后天", "周六", "周日", "周五晚上", "下周一")),
    "month": _number(1, 12),
    # goods, school and traffic
    "product": _among(("电饭煲", "蓝牙耳机", "羽绒服", "跑步鞋", "台灯", "收纳箱", "保温杯", "儿童书包", "机械键盘")),
    "fruit": _among(("樱桃", "脐橙", "水蜜桃", "草莓", "蜜瓜", "冬枣", "猕猴桃")),
    "department": _among(("内科", "骨科", "眼科", "口腔科", "儿科", "皮肤科", "中医科")),
    "subject": _among(("数学", "语文", "英语", "物理", "编程", "美术", "书法")),
    "grade": _among(("一年级", "三年级", "五年级", "初一", "初三", "高二")),
    "plate": lambda rng: f"澜{pick(rng, 'ABCDEF')}{(letters := _six(rng)).upper()[:4]}{ord(letters[4]) % 10}",
    "flight": lambda rng: f"YQ{1000 + int(rng.random() * 8999)}",
    "garage": _among(("B1", "B2", "地面东区", "西区")),
    # contacts and links
    "phone": phone,
    "hotline": lambda rng: f"400{int(rng.random() * 10_000_000):07d}",
    "qq": _number(100_000_000, 3_999_999_999),
    "chat_id": lambda rng: f"{_three(rng)}{int(rng.random() * 100_000):05d}",
    "link": lambda rng: f"https://{pick(rng, _SITES)}.{_four(rng)}.example/{_four(rng)}",
    "trap": lambda rng: f"http://{pick(rng, _TRAPS)}-{_three(rng)}.example/{_four(rng)}",
}
