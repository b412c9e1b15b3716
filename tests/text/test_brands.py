"""The list of brands: the shipped one, an operator's additions, and faults in a file."""

from __future__ import annotations

import pytest

from pipeline.errors import AntispamError
from pipeline.text.brands import imitated_hosts, merged, parse_brands, shipped_brands


def test_no_name_belongs_to_two_shipped_brands() -> None:
    owners: dict[str, str] = {}
    for brand in shipped_brands():
        for name in {name.casefold() for name in (brand.name, *brand.aliases)}:
            assert owners.setdefault(name, brand.name) == brand.name
    hosts = [host for brand in shipped_brands() for host in brand.hosts]
    assert len(set(hosts)) == len(hosts)
    assert "icbc.com.cn" in imitated_hosts()["95588"]


def test_additions_extend_a_known_brand_and_add_others() -> None:
    known = parse_brands("- {name: 甲, kind: bank, aliases: [甲银]}".replace("甲,", "甲行,"))
    extra = parse_brands("- {name: 甲行, aliases: [甲银, 小甲], enterprises: [e1]}\n- {name: 乙行}")
    first, second = merged(known, extra)
    assert (first.kind, first.aliases, first.enterprises) == ("bank", ("甲银", "小甲"), ("e1",))
    assert second.name == "乙行"


def test_an_addition_cannot_take_the_name_of_another_brand() -> None:
    with pytest.raises(AntispamError, match="'icbc' is a name of 中国工商银行 and of 乙行"):
        merged(shipped_brands(), parse_brands("- {name: 乙行, aliases: [ICBC]}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: 甲行}\n- {name: 乙行, alias: [乙]}", "brands.yaml:2: .*alias"),
        ("- {name: 甲行}\n\n- {kind: bank}", "brands.yaml:3: .*name"),
        ("- {name: 甲行, kind: banque}", "brands.yaml:1: .*banque"),
        ("- {name: 甲行, aliases: 甲银}", "brands.yaml:1: .*array"),
        ("- {name: 甲行, aliases: [甲]}", "brands.yaml:1: '甲': 2 to 64"),
        ("- {name: 甲行}\n- {name: 甲行}", "brands.yaml:2: 甲行 is listed twice"),
        ("name: 甲行", "brands.yaml:1: a list of brands expected"),
        ("- {name: 甲行", "brands.yaml"),
        ("- {name: 甲行, hosts: [95588]}", "brands.yaml:1: .*str"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(AntispamError, match=message):
        parse_brands(text)
