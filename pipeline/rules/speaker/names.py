"""Names of brands in texts, and the brand that a signature or a registered name belongs to.

A signature is short and stands alone, so all views of a text may be compared: 【工伤银行】 and 【paypa1】 are found.
In a sentence only the normal form is searched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache

from pipeline.rules.ports import Port
from pipeline.rules.words.index import ANY, WordIndex
from pipeline.text import leet
from pipeline.text.brands import Brand, merged, parse_brands, shipped_brands
from pipeline.text.joining import joined
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import Normals, normalise_batch
from pipeline.text.pinyin import pinyin, spell
from pipeline.text.signatures import signature_name

BRANDS = "brands.yaml"  # the operator's additions in a configuration folder
NO_ADDITIONS = "[]\n"
_CACHED = 50_000  # signatures whose brand is remembered
_LEAST_VIEW = 4  # least characters of a name that is compared by look or sound
_OFFICES = ("authority", "utility")  # kinds of brands that have branches everywhere
_chinese = re.compile(r"[㐀-鿿]+").fullmatch

# Behind a brand's name these make a signature of somebody else: a shop on a platform, a place near a bank.
_OTHERS = re.compile(
    r"店|附近|对面|旁|合作|代理|特约|授权|加盟|维修|回收|商家|商户|员工|家属|小区|大厦|广场|协会|路|业"
)
_BRANCH = ("分行", "支行", "营业部", "营业厅", "公司", "助手")  # 工商银行人民路支行 is the bank
# Behind a name of two characters only these keep it the brand's: 美团外卖 but not 小米渔庄.
_OWN = re.compile(
    r"(?:客服|官方|商城|快递|速递|速运|物流|快运|信用卡|银行|科技|金融|支付|金条|白条|月付|安全|风控|理赔|中心"
    r"|团队|平台|外卖"
    r"|优选|买菜|打车|出行|会员|云|网|app|驿站|集团|助手|通知|服务|短信|账号|直播|电商|超市|生活|国际|冷运|同城"
    r"|充值|钱包"
    r"|理财|贷款|借钱|分期|保险|公司|股份|有限|总行|分行|支行|分公司|营业厅|热线|售后|小|在线|卖家|买家|服务|审核"
    r"|放款|部){1,4}"
)
_LATIN_OWN = re.compile(
    r"(?:support|service|services|customer|care|alert|alerts|bank|uk|us|usa|au|india|security|team|online|info|help"
    r"|helpdesk|notice|delivery|express|prime|pay|id|cn|official|sms|msg|verify|account|rewards|ltd|limited|inc|plc)+"
)
_PLACE = re.compile(
    r"(?:中国|[㐀-鿿]{1,7}[省市区县州盟旗]|北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建"
    r"|江西|山东|河南|湖北"
    r"|湖南|广东|广西|海南|四川|贵州|云南|西藏|陕西|甘肃|青海|宁夏|新疆|内蒙古|深圳|广州|成都|杭州|武汉|西安|南京"
    r"|苏州)+"
)
_OFFICE = re.compile(r"(?:[㐀-鿿]{0,8}(?:分局|支队|大队|中队|中心|所|局|处|科|办|厅|院|窗口|服务))?")


class BrandNames:
    """The names of brands, made for search. Immutable but for its caches."""

    def __init__(self, brands: Sequence[Brand]) -> None:
        self.brands = tuple(brands)
        names = [(name, brand) for brand in self.brands for name in (brand.name, *brand.aliases)]
        normal = normalise_batch([name for name, _ in names]).texts
        self._index: WordIndex[Brand] = WordIndex(
            (text, ANY, brand) for text, (_, brand) in zip(normal, names, strict=True)
        )
        self._unless = {brand.name: tuple(normalise_batch(brand.unless).texts) for brand in self.brands if brand.unless}
        self._exact = {signature_name(name): brand for name, brand in names}
        longer = {word for words in self._unless.values() for word in words if not any(word in n for n in self._exact)}
        self._longer_words = re.compile("|".join(map(re.escape, sorted(longer))) or r"(?!)")
        self._lengths = sorted({len(name) for name in self._exact}, reverse=True)
        self._branches = [(signature_name(branch), brand) for brand in self.brands for branch in brand.branches]
        self._branches.sort(key=lambda pair: -len(pair[0]))
        self._alike: dict[str, Brand] = {}
        for brand, views in zip(self._exact.values(), _views(list(self._exact)), strict=True):
            for view in views:
                self._alike.setdefault(view, brand)
        self._of_signature: dict[str, Brand | None] = {}
        self._own: dict[tuple[str, ...], frozenset[str]] = {}

    def mentions(self, normals: Normals) -> list[tuple[Brand, int, int]]:
        """(brand, start, end) of the names on the normal tape, left to right; of overlapping names the longest."""
        text = normals.tape.joined()
        found = sorted(
            ((start, -end, brand) for brand, start, end in self._index.find(normals.tape.codes, text)),
            key=lambda find: find[:2],
        )
        kept: list[tuple[Brand, int, int]] = []
        done = 0
        for start, minus_end, brand in found:
            if start >= done and not self._inside_another(brand, text, start, -minus_end):
                done = -minus_end
                kept.append((brand, start, done))
        return kept

    def of_signature(self, name: str) -> Brand | None:
        """The brand that signs with this name (`Signature.name`), or None. Branches of a brand are the brand."""
        if name not in self._of_signature:
            self.read_signatures((name,))
        return self._of_signature[name]

    def is_branch(self, name: str) -> bool:
        """Whether a signature is an office's word behind another name, such as 澜浦交警."""
        brand = self.of_signature(name)
        if brand is None or brand.kind not in _OFFICES or name in self._exact or self._by_beginning(name):
            return False
        return any(of is brand and name.find(branch) > 0 for branch, of in self._branches)

    def read_signatures(self, names: Collection[str]) -> None:
        """Read these names together and remember their brands: ten times faster than one by one."""
        new = [name for name in names if name not in self._of_signature]
        if len(self._of_signature) + len(new) > _CACHED:
            self._of_signature.clear()
            new = list(names)
        unlike = []
        for name in new:
            brand = self._of_signature[name] = self._as_written(name)
            if brand is None and not self._longer_word(name):
                unlike.append(name)
        for name, views in zip(unlike, _views(unlike), strict=True):
            self._of_signature[name] = next((self._alike[view] for view in views if view in self._alike), None)

    def own(self, port: Port) -> frozenset[str]:
        """The names and groups of the brands that the port's registered names and signatures belong to."""
        entry = port.entry
        key = (entry.name, entry.enterprise, *entry.signatures)
        known = self._own.get(key)
        if known is None:
            if len(self._own) >= _CACHED:
                self._own.clear()
            registered = {*map(signature_name, (entry.name, entry.enterprise)), *port.signature_names}
            brands = filter(None, map(self.of_signature, registered))
            known = self._own[key] = frozenset(
                name for brand in brands for name in (brand.name, brand.group and f"group {brand.group}") if name
            )
        return known

    def _inside_another(self, brand: Brand, text: str, start: int, end: int) -> bool:
        """Whether the name is a part of a longer word that is no name: 京东 in 北京东路."""
        for word in self._unless.get(brand.name, ()):
            if text.find(word, max(0, start - len(word) + 1), end + len(word) - 1) >= 0:
                return True
        return end - start == 2 and text[end - 1] == "行" and text[end] in "业动情程为走列驶进使政军李星"

    def _as_written(self, name: str) -> Brand | None:
        if self._longer_word(name):
            return None
        brand = self._exact.get(name) or self._by_beginning(name)
        if brand is not None:
            return brand
        for branch, of in self._branches:
            at = name.rfind(branch)
            if at < 0:
                continue
            rest = name[at + len(branch) :]
            if of.kind in _OFFICES:
                if at <= 12 and _OFFICE.fullmatch(rest):
                    return of
            elif at and _PLACE.fullmatch(name[:at]) and (not rest or _OWN.fullmatch(rest)):
                return of
        place = _PLACE.match(name)
        if place and (brand := self._exact.get(name[place.end() :]) or self._by_beginning(name[place.end() :])):
            return brand
        return None

    def _by_beginning(self, name: str) -> Brand | None:
        for length in self._lengths:
            if length >= len(name):
                continue
            brand = self._exact.get(name[:length])
            if brand is None:
                continue
            rest = name[length:]
            if name[:length].isdigit():
                own = _OWN.fullmatch(rest) is not None
            elif not _chinese(name[:length]):
                own = not rest[0].isascii() or _LATIN_OWN.fullmatch(rest) is not None
            elif length > 2:
                own = True
            else:
                own = (
                    rest.isdigit() or _OWN.fullmatch(rest) is not None or (brand.kind == "bank" and rest.endswith("行"))
                )
            if own and (rest.endswith(_BRANCH) or not _OTHERS.search(rest)):
                return brand
        return None

    def _longer_word(self, name: str) -> bool:
        return name not in self._exact and self._longer_words.search(name) is not None


@cache
def shipped_names() -> BrandNames:
    """The brands of the package."""
    return BrandNames(shipped_brands())


def parse_names(text: str) -> BrandNames:
    """The shipped brands with an operator's additions. Raises AntispamError naming the line of the fault."""
    return BrandNames(merged(shipped_brands(), parse_brands(text)))


def _views(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The readings of each name by look, sound and leet, with their kind in front; none for short names."""
    if not names:
        return []
    close, _ = joined(normalise_batch(names).tape)
    columns = close.texts(), lookalike(close).texts(), pinyin(close)[0].texts()
    return [_views_of(*of_name) for of_name in zip(names, *columns, strict=True)]


def _views_of(name: str, text: str, look: str, sound: str) -> tuple[str, ...]:
    if len(name) < _LEAST_VIEW or name.isdigit():
        return ()
    if name.isascii():
        return (f"leet {leet.plain(name)}",)
    looks = (f"look {text}", f"look {look}") if _chinese(text) else ()
    spelled = spell(sound)
    return (*looks, f"sound {spelled}") if spelled.count(" ") >= _LEAST_VIEW - 1 else looks
