"""The brand that a signature or a registered name belongs to, and names in sentences."""

from __future__ import annotations

import pytest

from pipeline.rules.ports import Port, PortEntry
from pipeline.rules.speaker.names import parse_names, shipped_names
from pipeline.text.normal import normalise_batch
from pipeline.text.signatures import signature_name


def _brand(signature: str) -> str:
    brand = shipped_names().of_signature(signature_name(signature))
    return brand.name if brand else ""


@pytest.mark.parametrize(
    ("signature", "brand"),
    [
        *[(name, "中国工商银行") for name in ("工商银行", "中国工商银行", "工行", "ICBC", "95588", "工行95588")],
        *[(name, "中国工商银行") for name in ("工商银行北京分行", "工行信用卡", "中国工商银行股份有限公司")],
        *[("工商银行人民路支行", "中国工商银行"), ("招商银行营业部", "招商银行"), ("12306客服", "铁路12306")],
        *[("微信支付商户助手", "微信支付"), ("中国邮政储蓄银行北京分行", "中国邮政储蓄银行")],
        *[(name, "顺丰速运") for name in ("顺丰", "顺丰速运", "顺丰同城", "中国顺丰")],
        *[("北京移动", "中国移动"), ("湖南电信", "中国电信"), ("惠州市邮政", "中国邮政")],
        *[("澜浦交警", "交警"), ("澜浦市公安局临湖分局", "公安机关"), ("澜浦人社", "人社局"), ("澜浦供电", "国家电网")],
        *[("Royal Mail", "Royal Mail"), ("Royal Mail Support", "Royal Mail"), ("HSBC UK", "HSBC")],
    ],
)
def test_a_brand_signs_with_its_names_and_those_of_its_branches(signature: str, brand: str) -> None:
    assert _brand(signature) == brand


@pytest.mark.parametrize(
    "signature",
    [
        *(
            "青屿银行",
            "小米渔庄",
            "示例天猫旗舰店",
            "天猫示例专卖店",
            "支付宝口碑商家",
            "华为维修中心",
            "工商银行家属院",
        ),
        *(
            "途强移动",
            "中国银行业协会",
            "人民法院路店",
            "北京东方",
            "招商证券",
            "Upsell",
            "Chaser",
            "Northfield",
            "江渡农商银行",
        ),
    ],
)
def test_a_shop_a_place_and_a_like_name_are_not_the_brand(signature: str) -> None:
    assert _brand(signature) == ""


@pytest.mark.parametrize(
    ("signature", "brand"),
    [
        *[("工伤银行", "中国工商银行"), ("工shang银行", "中国工商银行"), ("顺风速运", "顺丰速运")],
        *[("工*商*银*行", "中国工商银行"), ("ＩＣＢＣ", "中国工商银行"), ("中國移動", "中国移动")],
        *[("PayPa1", "PayPal"), ("Amaz0n", "Amazon"), ("раypal", "PayPal")],
    ],
)
def test_a_name_that_looks_or_sounds_alike_is_the_brands(signature: str, brand: str) -> None:
    assert _brand(signature) == brand


@pytest.mark.parametrize(
    ("text", "brands"),
    [
        ("用中国工商银行的卡在京东付款", ["中国工商银行", "京东"]),
        ("微信支付和微信是两样", ["微信支付", "微信"]),
        ("北京东路施工行业新建行道树", []),
        ("pay with Amazon Pay or at amazonia", ["Amazon"]),
        ("工 商 銀 行", ["中国工商银行"]),
    ],
)
def test_the_longest_name_counts_and_no_part_of_another_word(text: str, brands: list[str]) -> None:
    assert [brand.name for brand, _, _ in shipped_names().mentions(normalise_batch([text]))] == brands


def test_a_port_owns_the_brands_of_its_name_and_signatures() -> None:
    port = Port(PortEntry(code="10690001", name="中国工商银行北京市分行", signatures=("【淘宝】",)))
    assert shipped_names().own(port) == {"中国工商银行", "淘宝", "group alibaba"}
    assert shipped_names().own(Port(PortEntry(code="10690001", name="示例奶茶"))) == frozenset()


def test_an_operator_adds_names_brands_and_enterprises() -> None:
    names = parse_names(
        "- {name: 中国工商银行, aliases: [宇宙行], enterprises: [ent-7]}\n"
        "- {name: 青屿银行, kind: bank, aliases: [青屿信用卡]}\n"
    )
    assert [names.of_signature(name).name for name in ("宇宙行", "工行", "青屿信用卡")] == [  # type: ignore[union-attr]
        *("中国工商银行", "中国工商银行", "青屿银行")
    ]
    assert shipped_names().of_signature("宇宙行") is None
    assert {brand.name: brand.enterprises for brand in names.brands}["中国工商银行"] == ("ent-7",)
