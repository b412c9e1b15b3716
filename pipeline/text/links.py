"""Links, also in disguise: a点com, w w w . a . c o m, hxxp, a。cn, a·cn, ａ．ｃｏｍ, an IPv4 address as one number
(//3232235777).

Links are read from the folded text, which has no other widths and no look-alike letters. A link has its host and, for
campaigns, a key. The key is the registered domain, by the suffix list in the tldextract package (nothing is
downloaded). For a shortener it is host and path, because many senders share the domain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import msgspec
import numpy as np
import tldextract

from pipeline.text import leet
from pipeline.text.brands import AUTHORITIES, COMPANIONS, OPEN_HOSTS, SHORTENERS, imitated_hosts, own_domains
from pipeline.text.normal import Normals

MAX_LINKS = 50  # per text; further links are ignored
_LABEL = r"[a-z0-9_\-]{1,63}"
_WRAPPED = r"[(\[{](?:dot|点|\.)[)\]}]"
_TIGHT = rf"(?:[.。点·]|{_WRAPPED}| dot )"
_SPACED = rf"(?: ?[.。点·] ?| ?{_WRAPPED} ?| dot )"
_link = re.compile(
    rf"(?<![a-z0-9_@.\-])(?P<scheme>h(?:tt|xx)ps?:[/\\]{{1,2}}(?:[^\s/\\@]{{1,64}}@)?)?"
    rf"(?P<host>(?:www{_SPACED})?(?:{_LABEL}{_TIGHT}){{0,5}}{_LABEL}"
    # With spaces around the dot only these top-level domains count; "so" or "top" may begin a sentence there.
    rf"(?:{_TIGHT}(?:[a-z]{{2,18}}|xn--[a-z0-9\-]{{2,59}})|{_SPACED}(?:com(?:\.[a-z]{{2}})?|cn|xyz))(?![a-z0-9_@])"
    rf"|(?<=//)(?:(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![.\d])|(?:0x[0-9a-f]{{1,8}}|[1-9]\d{{7,9}})(?![.a-z0-9_@])))"
    rf"(?P<rest>(?::\d{{1,5}})?(?:[/?#][!-~]*)?)"
).search
# Every link has a dot before a letter, or a scheme before digits. These are rare, so they are searched first. The
# pattern begins with a character set, to which the regex engine skips quickly.
_anchor = re.compile(
    r"[.。点·d:](?:(?<=[.。点·])(?:[a-z0-9_\-]*[a-z]| (?:com|cn|xyz)|[)\]}])|(?<=d)ot[ )\]}]|(?<=:)[/\\]{1,2}[0-9])"
).finditer
_LONGEST = 253  # code points of a host (RFC 1035, 2.3.4)
_BEFORE, _AFTER = 90, 600  # code points around an anchor that are searched
# w w w . a . c o m: at least six single characters with spaces between them, one of them a dot.
_spelled = re.compile(
    r"[a-z0-9.。点·] (?<![a-z0-9.]..)(?:[a-z0-9.。点·] ){4,79}[a-z0-9](?![a-z0-9.])", re.DOTALL
).finditer
_DOTS = frozenset(".。点·")
_spaces = re.compile(r" ")
_dots = re.compile(_SPACED).sub
# Top-level domains that suffice without a scheme, www or a path. Others ("so", "me", "in") are words if the space
# after a full stop is missing.
_PLAIN = frozenset(
    (
        *("com", "cn", "net", "org", "xyz", "top", "vip", "cc", "info", "io", "club", "site", "shop", "online"),
        *("app", "ltd", "tk", "biz", "win", "wang", "hk", "tw", "uk", "ly", "gl", "link", "lol", "icu", "sbs", "cfd"),
        *("cyou", "bond", "buzz"),
    )
)
# These are words too. They suffice only after a label with a sign or a digit: hot-dates.fun, sf-express.life.
_CHEAP = frozenset(
    (
        *("life", "live", "fun", "asia", "pro", "rest", "lat", "cam", "world", "space", "website"),
        *("store", "tech", "one", "bar", "beauty", "quest", "click", "help", "work", "mobi", "monster"),
        *("hair", "skin", "autos", "homes", "pics", "center", "loan", "finance", "bet", "casino", "bid"),
        *("date", "review", "stream", "trade", "men", "party", "download", "red", "ink", "qpon", "ru"),
        *("today", "support", "digital", "money", "cash", "credit", "dev"),
    )
)


class Link(msgspec.Struct, frozen=True, gc=False):
    """A link at code points of the raw text, `end` exclusive.

    `lookalike` names the signs of imitation: mixed_script, punycode, brand. `disguised` is True if the spelling is not
    that of a normal link. `own` is True if the domain is a known company's or an authority's, nobody else can publish
    there, and neither of the signs before is there.
    """

    start: int
    end: int
    host: str
    domain: str
    key: str
    short: bool = False
    lookalike: tuple[str, ...] = ()
    disguised: bool = False
    own: bool = False


def find_links(normals: Normals) -> list[tuple[Link, ...]]:
    """The links of each text, left to right."""
    found: list[tuple[Link, ...]] = [()] * len(normals.texts)
    folded = normals.folded
    text = folded.joined()
    links = [link for candidate in _candidates(text) if (link := _link_of(candidate, text, normals))]
    if links:
        ends = normals.raw.borders
        owners = np.searchsorted(ends, [link.start for link in links]).tolist()
        for owner, link in zip(owners, links, strict=True):
            if len(found[owner]) < MAX_LINKS:
                begin = int(ends[owner - 1]) + 1 if owner else 0
                found[owner] = (*found[owner], _moved(link, -begin))
    return found


@dataclass(frozen=True, slots=True)
class _Candidate:
    scheme: bool
    host_start: int
    host: str
    rest: str
    start: int
    end: int
    spelled: bool = False


def _candidates(text: str) -> Iterator[_Candidate]:
    for run in _spelled(text):
        if not _DOTS.isdisjoint(run[0]):
            match = _link(_spaces.sub("", run[0]))
            if match:
                yield _Candidate(
                    bool(match["scheme"]), run.start(), match["host"], match["rest"], run.start(), run.end(), True
                )
    done = 0
    for anchor in _anchor(text):
        at = anchor.start()
        if at < done:
            continue
        match = _link(text, max(done, at - _BEFORE), at + _AFTER)
        while match and match.end() <= at:
            match = _link(text, match.end(), at + _AFTER)
        if match is None:
            done = at + _AFTER - _LONGEST  # a link that begins earlier would have been found
        elif match.start() > at:
            done = match.start()
        else:
            done = match.end()
            host = match.start("host")
            yield _Candidate(bool(match["scheme"]), host, match["host"], match["rest"], match.start(), done)


def _link_of(candidate: _Candidate, text: str, normals: Normals) -> Link | None:
    dotted = _dots(".", candidate.host)
    host = dotted.strip("-_")
    if "." not in host:
        host = _in_figures(host)
    labels = host.split(".")
    sure = candidate.scheme or labels[0] in ("www", "m", "wap") or candidate.rest[:1] in ("/", "?")
    if not sure and (not _stands_for_itself(labels) or host.replace(".", "").isdigit()):
        return None
    domain = _registered(host)
    if not domain:
        return None
    tape = normals.folded
    start, end = int(tape.origin[candidate.start]), int(tape.end[candidate.end - 1])
    written = normals.raw.codes[
        tape.origin[candidate.host_start] : tape.origin[candidate.host_start] + len(candidate.host)
    ]
    short = domain in SHORTENERS or host in SHORTENERS
    lookalike = _lookalike(host, domain, _foreign_letters(written))
    disguised = candidate.spelled or candidate.host != dotted or text[candidate.start : candidate.start + 4] == "hxxp"
    return Link(
        start,
        end,
        host,
        domain,
        host + candidate.rest if short and len(candidate.rest) > 1 else domain,
        short,
        lookalike,
        disguised,
        not (short or lookalike or disguised) and _own(host, domain),
    )


def _moved(link: Link, by: int) -> Link:
    return msgspec.structs.replace(link, start=link.start + by, end=link.end + by)


def _foreign_letters(written: np.ndarray) -> bool:
    """Whether there are letters outside ASCII, Cyrillic, Greek or accented; full-width and CJK forms do not count."""
    return bool(((written > 0x7F) & (written < 0x2000)).any())


@cache
def _suffixes() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)


def _stands_for_itself(labels: list[str]) -> bool:
    """Whether these labels are a host even without scheme, www or path."""
    named = labels[-2] if len(labels) > 1 else ""
    return labels[-1] in _PLAIN or (labels[-1] in _CHEAP and not named.isalpha())


def _in_figures(number: str) -> str:
    """The IPv4 address that a browser reads from a single number; empty if the number is too large."""
    address = int(number, 0)
    return str(ipaddress.IPv4Address(address)) if address < 1 << 32 else ""


@lru_cache(20_000)
def _registered(host: str) -> str:
    """The registered domain of a host, or the host itself if it is an IPv4 address. Empty for an invalid host."""
    if host.replace(".", "").isdigit():
        return host if all(int(part) < 256 for part in host.split(".")) else ""
    parts = _suffixes()(host)
    return f"{parts.domain}.{parts.suffix}" if parts.domain and parts.suffix else ""


@lru_cache(20_000)
def _lookalike(host: str, domain: str, foreign: bool) -> tuple[str, ...]:
    signs = []
    if foreign:
        signs.append("mixed_script")
    if any(label.startswith("xn--") for label in host.split(".")):
        signs.append("punycode")
    if _borrows_brand(host, domain):
        signs.append("brand")
    return tuple(signs)


@lru_cache(20_000)
def _own(host: str, domain: str) -> bool:
    labels = host.split(".")
    if any(".".join(labels[first:]) in AUTHORITIES for first in range(len(labels))):
        return True
    return domain in own_domains() and OPEN_HOSTS.isdisjoint(labels)


def _borrows_brand(host: str, domain: str) -> bool:
    """Whether the host names a brand under a foreign domain: icbc.com.verify.top, paypa1.com, icbcwap.com."""
    brands = imitated_hosts()
    for part in re.split(r"[.\-_]", host):
        for name in (part, _without_companion(part), _brand_in_leet(part)):
            if name in brands and domain not in brands[name]:
                return True
    return False


def _without_companion(part: str) -> str:
    return next((part.removesuffix(word) for word in COMPANIONS if part.endswith(word)), part)


def _brand_in_leet(part: str) -> str:
    brand = _brands_as_leet().get(leet.plain(part), "")
    # Leet reads i and l alike, so a four-letter name needs a digit or a sign to count as an imitation.
    return brand if len(brand) > 4 or not part.isalpha() else ""


@cache
def _brands_as_leet() -> dict[str, str]:
    return {leet.plain(brand): brand for brand in imitated_hosts() if len(brand) >= 4 and brand.isalpha()}
