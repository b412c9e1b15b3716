"""The differences between two lists of brands in words."""

from __future__ import annotations

from pipeline.rules.policies.brands_diff import brands_differences
from pipeline.text.brands import parse_brands

OLD = "- {name: 示例银行, kind: bank, aliases: [示行, 例行], domains: [a.example]}\n"


def said(new: str, old: str = OLD, language: str = "en") -> list[str]:
    return [line[language] for line in brands_differences(parse_brands(old), parse_brands(new))]


def test_names_of_a_brand() -> None:
    new = "- {name: 示例银行, kind: payment, group: 示例, aliases: [例行, 示例行], domains: [a.example]}\n"
    assert said(new) == [
        "brand 示例银行: kind bank → payment",
        "brand 示例银行: group – → 示例",
        "brand 示例银行: new alias 示例行",
        "brand 示例银行: alias 示行 removed",
    ]
    assert said(new, language="zh")[2:] == ["品牌 示例银行：新增别名 示例行", "品牌 示例银行：删除别名 示行"]


def test_a_new_brand_is_told_with_its_names() -> None:
    assert said(OLD, "[]") == [
        "new brand 示例银行 (bank)",
        "brand 示例银行: new alias 示行",
        "brand 示例银行: new alias 例行",
        "brand 示例银行: new domain a.example",
    ]
    assert said("[]") == ["brand 示例银行 removed"]
    assert said("[]", language="zh") == ["删除品牌 示例银行"]


def test_the_order_of_names_is_no_difference() -> None:
    assert said(OLD.replace("示行, 例行", "例行, 示行")) == []
