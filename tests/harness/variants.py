"""Seeded variants of a text as spammers make them, to measure campaign detection beside labelled data."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from pipeline.sample.campaigns import BENDS, PADDING

_LINK = re.compile(r"(?:https?://)?(?:[a-z0-9\-]+\.)+[a-z]{2,}(?:/[!-~]*)?", re.IGNORECASE)
_CHINESE = re.compile("[\u4e00-\u9fff]")
_NAMES = ("王伟", "李娜", "张敏", "刘强", "陈静", "杨磊", "赵艳", "周杰", "吴霞", "徐明")
_INNOCENT = (*PADDING.split("，"), "早点休息", "记得带伞", "祝您和家人生活愉快", "周末一起去爬山吧", "好久不见最近好吗")
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏"
_LETTERS = str.maketrans("0123456789", "abcdefghij")
_GIVEN = "伟刚勇毅俊峰强军平东文辉明永健志义海波飞"


def _digits(random: Random, text: str) -> str:
    return re.sub("[0-9]", lambda _: random.choice("0123456789"), text)


def _links(random: Random, text: str) -> str:
    host = "".join(random.choices("abcdefghkmnpqrstuvwxyz0123456789", k=random.randrange(3, 9)))
    fresh = f"{random.choice(('', 'http://', 'www.'))}{host}.{random.choice(('com', 'cn', 'top', 'xyz', 'net'))}"
    return _LINK.sub(fresh, text) if _LINK.search(text) else f"{text} {fresh}"


def _names(random: Random, text: str) -> str:
    return f"{random.choice(_NAMES)}{random.choice(('先生', '女士', '您好，', ''))}{text}"


def _characters(random: Random, text: str) -> str:
    """Replace or remove up to one Chinese character (or letter) in twelve, or insert another after it."""
    chinese = [match.start() for match in _CHINESE.finditer(text)]
    places = chinese or [at for at, char in enumerate(text) if char.isalpha()]
    chars = list(text)
    for at in random.sample(places, random.randint(1, max(1, len(places) // 12))):
        other = chr(random.randrange(0x4E00, 0x9000)) if chinese else random.choice("aeinost013")
        chars[at] = random.choice((other, other, "", chars[at] + other))
    return "".join(chars)


def _padding(random: Random, text: str) -> str:
    """Add innocent words before, after or inside the text; up to half of a short text."""
    words = "，".join(random.sample(_INNOCENT, random.randint(1, 2)))
    at = random.choice((0, len(text), random.randrange(len(text))))
    return text[:at] + words + text[at:]


CHANGES: dict[str, Callable[[Random, str], str]] = {
    "digits": _digits,
    "links": _links,
    "names": _names,
    "characters": _characters,
    "padding": _padding,
} | {name: bend for name, bend in BENDS.items() if name != "padding"}


def variant(random: Random, text: str) -> str:
    """Return the text with one to three different changes."""
    for name in random.sample(list(CHANGES), random.choice((1, 1, 2, 3))):
        text = CHANGES[name](random, text)
    return text


def rotating_hosts(n: int) -> str:
    """Text n of a campaign of phishing texts whose surname, points and link host differ; n < 10,000."""
    surname, host = _SURNAMES[n % len(_SURNAMES)], f"{n:04d}".translate(_LETTERS)
    return f"【招行】尊敬的{surname}先生，您的{1000 + n}积分今日到期，请登录 http://{host}.top/j 兑换现金礼品"


def rotating_names(n: int) -> str:
    """Text n of one whose names and points differ."""
    name = _SURNAMES[n % len(_SURNAMES)] + _GIVEN[n // 30 % len(_GIVEN)] + _GIVEN[n // 600 % len(_GIVEN)]
    return f"【招行】尊敬的{name}，您的{1000 + n}积分今日到期，请尽快联系客户经理兑换现金礼品，逾期作废"
