"""Impersonation: measured on invented texts, and on honest notices where the research data is at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from pipeline.rules.ports import Port, PortEntry
from pipeline.rules.speaker.names import parse_names, shipped_names
from pipeline.rules.speaker.speakers import MAX_NAMES, Speaker, find_speakers, impersonated
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch
from pipeline.text.signatures import Signature, find_signatures
from tests.harness.places import RESEARCH
from tests.rules.speaker.impersonations import LATER_SIGNATURES, OWN, OWN_LATIN, Named, impersonations, later_texts

# The research data are not part of the repository.
NOTICES = RESEARCH / "sms" / "transactional.jsonl"
SHOP = Port(PortEntry(code="10690001", name=OWN, signatures=(OWN, OWN_LATIN, *LATER_SIGNATURES)))


def _speakers(texts: Sequence[str]) -> list[tuple[tuple[Signature, ...], tuple[Speaker, ...]]]:
    normals = normalise_batch(texts)
    signatures = find_signatures(normals)
    return list(zip(signatures, find_speakers(normals, signatures, find_links(normals), shipped_names()), strict=True))


def _found(texts: Sequence[Named]) -> list[tuple[bool, Named]]:
    read = _speakers([named.text for named in texts])
    return [
        (impersonated(speakers, signatures, SHOP, shipped_names()) is not None, named)
        for (signatures, speakers), named in zip(read, texts, strict=True)
    ]


@pytest.mark.parametrize("texts", [impersonations(), later_texts()], ids=["500", "later"])
def test_the_speaker_is_told_from_the_mentioned(texts: list[Named]) -> None:
    assert len({named.text for named in texts}) == len(texts)
    found = _found(texts)
    hits = sum(hit and named.speaks for hit, named in found)
    wrong = [named.text for hit, named in found if hit != named.speaks]
    assert hits / sum(hit for hit, _ in found) >= 0.97, wrong
    assert hits / sum(named.speaks for named in texts) >= 0.95, wrong


def _impersonated(text: str, port: Port | None, additions: str = "[]") -> str:
    names = parse_names(additions)
    ((signatures, speakers),) = _speakers([text])
    found = impersonated(speakers, signatures, port, names)
    return found.brand.name if found else ""


def test_a_brand_may_speak_for_itself_and_its_group() -> None:
    taobao = Port(PortEntry(code="10690001", name="淘宝网络有限公司", signatures=("淘宝",)))
    assert _impersonated("【淘宝】您的支付宝账户异常，请核实", taobao) == ""
    assert _impersonated("【淘宝】您的微信账号异常，请核实", taobao) == "微信"
    assert _impersonated("【淘宝】您的支付宝账户异常，请核实", None) == "淘宝"


def test_a_warning_in_front_does_not_hide_the_speaker() -> None:
    assert _impersonated("谨防诈骗，工商银行提醒您点击核实", SHOP) == "中国工商银行"
    assert _impersonated("谨防诈骗！我是京东客服，您的订单需要退款", SHOP) == "京东"
    assert _impersonated("谨防京东客服诈骗", SHOP) == ""
    assert _impersonated("近期有人冒充银行、京东客服行骗", SHOP) == ""


def test_a_wallet_may_write_of_a_banks_account_under_its_own_signature() -> None:
    wallet = Port(PortEntry(code="10690001", name="示例钱包", signatures=("示例钱包",)))
    text = "您的工行储蓄卡支出12.50元"
    assert _impersonated(f"【示例钱包】{text}", wallet) == ""
    assert _impersonated(text, wallet) == "中国工商银行"
    assert _impersonated(f"【他人】{text}", wallet) == "中国工商银行"


def test_a_mention_beside_a_link_that_imitates_a_brand_is_its_voice() -> None:
    assert _impersonated("工行积分兑换 http://icbc.com.verify.top/a", SHOP) == "中国工商银行"
    assert _impersonated("工行积分兑换 http://www.icbc.com.cn/a", SHOP) == ""


def test_the_operator_says_who_may_speak_for_a_brand() -> None:
    agency = Port(PortEntry(code="10690001", name="示例代理", enterprise="ent-7"))
    text = "工商银行提醒您，您预约的业务已受理"
    assert _impersonated(text, agency) == "中国工商银行"
    names = parse_names("- {name: 中国工商银行, enterprises: [ent-7]}")
    normals = normalise_batch([text])
    (speakers,) = find_speakers(normals, [()], [()], names)
    assert impersonated(speakers, (), agency, names) is None


def test_a_text_full_of_names_is_read_up_to_a_bound() -> None:
    ((_, speakers),) = _speakers(["【工行】" + "您的工行账户异常。" * 5_000])
    assert len(speakers) == MAX_NAMES
    assert speakers[0].speaks


@pytest.mark.skipif(not NOTICES.exists(), reason=f"no research data at {NOTICES} (ANTISPAM_RESEARCH_DATA)")
def test_honest_notices_speak_for_their_sender_only() -> None:
    """The sender of a public notice is who signs it, or else the first brand that it speaks as."""
    rows = [json.loads(line) for line in NOTICES.read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows if row["label"] == "ham"]
    wrong = []
    for text, (signatures, speakers) in zip(texts, _speakers(texts), strict=True):
        signed = tuple(signature.name for signature in signatures)
        first = [speaker.brand.name for speaker in speakers if speaker.speaks][:1]
        sender = Port(PortEntry(code="10690001", name="" if signed else "".join(first), signatures=signed))
        if impersonated(speakers, signatures, sender, shipped_names()):
            wrong.append(text[:12])
    assert len(texts) > 600
    assert len(wrong) <= 3, wrong
