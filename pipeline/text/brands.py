"""Brands that messages imitate, and the hosts of link shorteners.

`brands.yaml` is the one list of brands: links are compared with their domains (`links.py`), signatures and sentences
with their names (`pipeline/rules/speaker/`). An operator adds to it with a file of the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
import yaml

from pipeline.errors import AntispamError
from pipeline.text.faults.form_faults import form_fault
from pipeline.text.faults.yaml_text import load

_MOST = 5_000  # brands in a file
_LONGEST = 64  # characters of a name
_LEAST = 2  # characters of a name; a single character would match everywhere


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A brand; the head of `brands.yaml` explains the fields."""

    name: str
    kind: Literal["bank", "payment", "insurer", "carrier", "courier", "platform", "authority", "utility", "other"] = (
        "other"
    )
    group: str = ""
    aliases: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    enterprises: tuple[str, ...] = ()


def parse_brands(text: str, source: str = "brands.yaml") -> tuple[Brand, ...]:
    """The brands of a file. Raises AntispamError naming the line of the fault."""
    told = load(text, source) or []
    if not isinstance(told, list):
        raise AntispamError(f"{source}:1: a list of brands expected: - {{name: …, aliases: […]}}")
    if len(told) > _MOST:
        raise AntispamError(f"{source}: more than {_MOST} brands")
    found: dict[str, Brand] = {}
    for number, entry in enumerate(told):
        try:
            brand = msgspec.convert(entry, Brand)
            for word in (brand.name, *brand.aliases, *brand.branches):
                if not _LEAST <= len(word.strip()) <= _LONGEST or "\0" in word:
                    raise AntispamError(f"{word[:20]!r}: {_LEAST} to {_LONGEST} characters expected")
            if found.setdefault(brand.name, brand) is not brand:
                raise AntispamError(f"{brand.name} is listed twice")
        except msgspec.ValidationError as error:
            raise AntispamError(f"{source}:{_line(text, number)}: {form_fault(error, Brand)}") from None
        except AntispamError as error:
            raise AntispamError(f"{source}:{_line(text, number)}: {error}") from None
    return tuple(found.values())


def merged(brands: Iterable[Brand], additions: Iterable[Brand]) -> tuple[Brand, ...]:
    """The brands with additions: a brand with a known name adds its names, hosts and enterprises to the known one.

    Raises AntispamError if a name then belongs to two brands.
    """
    found = {brand.name: brand for brand in brands}
    for extra in additions:
        known = found.get(extra.name)
        if known is None:
            found[extra.name] = extra
            continue
        fields = ("aliases", "branches", "unless", "hosts", "domains", "enterprises")
        joined = {field: tuple(dict.fromkeys(getattr(known, field) + getattr(extra, field))) for field in fields}
        found[extra.name] = msgspec.structs.replace(known, group=extra.group or known.group, **joined)
    owners: dict[str, str] = {}
    for brand in found.values():
        for name in {name.casefold() for name in (brand.name, *brand.aliases)}:
            if owners.setdefault(name, brand.name) != brand.name:
                raise AntispamError(f"brands.yaml: {name!r} is a name of {owners[name]} and of {brand.name}")
    return tuple(found.values())


@cache
def shipped_brands() -> tuple[Brand, ...]:
    """The brands of the package."""
    return parse_brands((files("pipeline.text") / "brands.yaml").read_text(encoding="utf-8"))


@cache
def imitated_hosts() -> Mapping[str, frozenset[str]]:
    """The registered domains of each label that links imitate: a host with the label elsewhere is an imitation."""
    return {label: frozenset(brand.domains) for brand in shipped_brands() for label in brand.hosts}


@cache
def own_domains() -> frozenset[str]:
    """The registered domains of all brands."""
    return frozenset(domain for brand in shipped_brands() for domain in brand.domains)


def _line(text: str, number: int) -> int:
    """The 1-based line of an entry of a valid YAML list."""
    root = yaml.compose(text, yaml.CSafeLoader)
    assert isinstance(root, yaml.SequenceNode)  # noqa: S101 - the text is already loaded as a list
    return int(root.value[number].start_mark.line) + 1


# Words that imitators append to a brand's name.
COMPANIONS = (
    *("wap", "bank", "card", "pay", "app", "vip", "login", "verify", "secure", "security", "service", "support"),
    *("online", "mobile", "help", "alert", "update", "account", "delivery"),
)

SHORTENERS = frozenset(
    (
        *("t.cn", "url.cn", "w.url.cn", "dwz.cn", "dwz.win", "suo.im", "suo.nz", "suo.yt", "985.so", "mrw.so"),
        *("t.im", "rrd.me", "c7.gg", "u.nu", "dw4.co", "m6z.cn", "tb.cn", "m.tb.cn", "u.jd.com", "3.cn"),
        *("y.qq.com", "sourl.cn", "sina.lt", "t.hk.uy", "dlj.li", "bit.ly", "j.mp", "tinyurl.com", "goo.gl"),
        *("t.co", "is.gd", "v.gd", "ow.ly", "buff.ly", "rb.gy", "cutt.ly", "shorturl.at", "u.to", "tiny.cc"),
        *("adf.ly", "bl.ink", "s.id", "lnkd.in", "rebrand.ly", "t.ly", "tiny.one", "soo.gd", "clck.ru"),
        *("qr.ae", "amzn.to", "fb.me", "youtu.be", "bitly.com", "shorte.st"),
    )
)

# Registered by authorities only. Source: general knowledge of the registries' rules, checked against no register.
AUTHORITIES = frozenset(
    (
        *("gov.uk", "nhs.uk", "gov", "mil", "gov.cn", "gov.hk", "gov.mo", "gov.tw", "gov.in", "nic.in", "gov.sg"),
        *("gov.au", "gc.ca", "govt.nz", "gov.ae", "gov.sa", "gov.qa", "gov.kw", "gov.bh", "gov.om", "gov.za"),
        *("go.ke", "gov.ng", "gov.gh", "go.tz", "go.ug", "gov.my", "gov.ph", "gov.pk", "gov.bd", "gov.lk"),
        *("gov.ie", "go.jp", "go.kr", "go.th", "go.id", "gov.vn", "gov.br", "gob.mx", "gob.es", "gouv.fr", "gov.it"),
    )
)

# Labels of hosts under a company's domain where anybody can publish: docs.google.com.
OPEN_HOSTS = frozenset(
    ("docs", "drive", "sites", "forms", "groups", "storage", "script", "firebasestorage", "1drv", "sway", "s3")
)
