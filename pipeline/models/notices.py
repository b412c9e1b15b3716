"""Invented business notices, trained as ham.

Public collections hold spam and personal messages; the one-time codes, bank and courier notices that
make up most of an enterprise port's traffic are missing, and a model that never saw them calls them
spam. These are of our own writing (notices.yaml), so they may be shipped, and rendered from a seed,
so that training is reproducible.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from pathlib import Path

import yaml

_SOURCE = Path(__file__).with_name("notices.yaml")
_slot = re.compile(r"\{(\w+)\}")


def _digits(count: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choices(string.digits, k=count))


def _host(rng: random.Random) -> str:
    """A host of random letters: an invented name that came back in many notices would itself read as honest."""
    names = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(rng.choice((1, 1, 2)))]
    return ".".join((*names, rng.choice(("cn", "com", "com.cn", "net", "io", "co", "in", "org", "me", "ly"))))


_VALUES: dict[str, Callable[[random.Random], str]] = {
    "d": _digits(1),
    "tail": _digits(4),
    "order": lambda rng: rng.choice(("", "SF", "YT", "JD")) + _digits(rng.randint(8, 15))(rng),
    "code": lambda rng: _digits(rng.choice((4, 6, 6, 6, 8)))(rng),
    "m": lambda rng: str(rng.randint(1, 60)),
    "amount": lambda rng: f"{rng.randint(0, 99999)}.{rng.randint(0, 99):02d}",
    "date": lambda rng: f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日",
    "time": lambda rng: f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}",
    "phone": lambda rng: rng.choice(("955", "400", "139", "1800")) + _digits(rng.randint(2, 8))(rng),
    "pickup": lambda rng: f"{rng.randint(1, 20)}-{rng.randint(1, 9)}-{_digits(4)(rng)}",
    "flight": lambda rng: rng.choice(("MU", "CZ", "CA", "HU", "BA", "SQ", "3U")) + _digits(4)(rng),
    "host": _host,
    "train": lambda rng: rng.choice("GDCKZT") + str(rng.randint(1, 9999)),
}


def notices(each: int, seed: int) -> list[str]:
    """Render every template `each` times with values drawn from a generator seeded with `seed`."""
    source = yaml.safe_load(_SOURCE.read_text(encoding="utf-8"))
    slots: dict[str, list[str]] = source["slots"]
    rng = random.Random(seed)  # noqa: S311  invented values, no secret

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in _VALUES:
            return _VALUES[name](rng)
        return _slot.sub(fill, str(rng.choice(slots[name])))

    return [_slot.sub(fill, template) for template in source["templates"] for _ in range(each)]
