"""Invented training texts beside the public collections: honest notices and modern baits.

Public collections hold spam and personal messages, mostly of the 2010s. They lack the one-time codes, bank and courier
notices that make up most of an enterprise port's traffic; a model trained without such notices (`notices.yaml`) flags
them as spam. They also lack the frauds of the 2020s; a model trained without them (`baits.yaml`) lets them pass. The
texts in `kinds/` are of both sorts and have their kind, so `strangers` can leave a kind out. The texts are our own, so
they may be shipped. They are rendered from a seed, so training is reproducible.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pipeline.models.evaluate import Sample

_slot = re.compile(r"\{(\w+)\}")
_one_of = re.compile(r"\[([^\[\]|]*\|[^\[\]]*)\]")


def _digits(count: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choices(string.digits, k=count))


def _host(rng: random.Random) -> str:
    """A host of random letters, because the model would learn a repeated name as a sign of honest texts."""
    names = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(rng.choice((1, 1, 2)))]
    return ".".join((*names, rng.choice(("cn", "com", "com.cn", "net", "io", "co", "in", "org", "me", "ly"))))


_SHORTENERS = ("bit.ly", "goo.gl", "tinyurl.com", "t.co", "ow.ly", "shorturl.at")  # honest senders use them too


def _url(rng: random.Random) -> str:
    """The address of a page as in receipts, sometimes with a port, a path or a query."""
    parts = [
        rng.choice(
            (_digits(rng.randint(3, 12))(rng), _reference(rng), "".join(rng.choices(string.ascii_lowercase, k=5)))
        )
        for _ in range(rng.choice((0, 0, 1, 1, 2)))
    ]
    port = f":{rng.choice((96, 100, 8080, 8443))}" if rng.random() < 0.1 else ""
    asked = f"?id={_reference(rng)}" if rng.random() < 0.1 else ""
    host = rng.choice(_SHORTENERS) if rng.random() < 0.1 else _host(rng) + port
    return "/".join((host, *parts)) + asked


def _reference(rng: random.Random) -> str:
    """A transaction number in the style of wallets and banks: capital letters and digits."""
    return "".join(rng.choices(string.ascii_uppercase + string.digits * 3, k=rng.randint(8, 16)))


# Top-level domains with the most phishing (reports of the Anti-Phishing Working Group and of Interisle).
_ABUSED = (
    *("top", "xyz", "icu", "cyou", "vip", "cc", "club", "shop", "site", "online", "live", "life", "fun", "asia", "lol"),
    *("sbs", "cfd", "rest", "bond", "info", "world", "buzz", "tk", "ru", "win", "pro", "app", "com", "cn"),
)


def _lure(rng: random.Random) -> str:
    """A host in the style of phishing: letters, a hyphen, digits and a cheap top-level domain."""
    parts = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 8))) for _ in range(rng.choice((1, 2, 2)))]
    figures = _digits(rng.randint(1, 4))(rng) if rng.random() < 0.4 else ""
    return f"{'-'.join(parts)}{figures}.{rng.choice(_ABUSED)}"


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
    "url": _url,
    "txn": _reference,
    "lure": _lure,
    "qq": lambda rng: _digits(rng.randint(6, 10))(rng),
    "wx": lambda rng: (
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 6))) + _digits(rng.randint(2, 6))(rng)
    ),
    "train": lambda rng: rng.choice("GDCKZT") + str(rng.randint(1, 9999)),
}


def invented(each: int, seed: int) -> list[Sample]:
    """Every template rendered `each` times with values drawn from a generator seeded with `seed`."""
    rng = random.Random(seed)  # noqa: S311  invented values, no secret
    notices = _read("notices.yaml")
    baits = _read("baits.yaml")
    found = [
        Sample(text=text, label="ham", source="invented notices")
        for text in _render(notices["templates"], notices["slots"], each, rng)
    ]
    for category, templates in baits["templates"].items():
        found += [
            Sample(text=text, label="spam", source="invented baits", category=category)
            for text in _render(templates, baits["slots"], each, rng)
        ]
    for name in ("honest_en", "honest_zh", "spam"):
        kinds = _read(f"kinds/{name}.yaml")
        source = "invented notices" if kinds["label"] == "ham" else "invented baits"
        categories = kinds.get("categories", {})
        found += [
            Sample(
                text=text.strip(), label=kinds["label"], source=source, category=categories.get(kind), cluster_id=kind
            )
            for kind, templates in kinds["kinds"].items()
            for text in _render(templates.splitlines(), kinds["slots"], each, rng)
        ]
    return found


def _read(name: str) -> dict[str, Any]:
    source: dict[str, Any] = yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    return source


def _render(templates: list[str], slots: dict[str, list[str]], each: int, rng: random.Random) -> list[str]:
    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in _VALUES and name not in slots:
            return _VALUES[name](rng)
        return choose(_slot.sub(fill, str(rng.choice(slots[name]))))

    def choose(template: str) -> str:
        """The template with one alternative of each [a|b], the inner ones first."""
        while (made := _one_of.sub(lambda match: rng.choice(match.group(1).split("|")), template)) != template:
            template = made
        return template

    return [_slot.sub(fill, choose(template)) for template in templates for _ in range(each)]
