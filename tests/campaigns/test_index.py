"""Variants of one text are one campaign, whoever sends them; texts that say something else are not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.campaigns.index import GROWTH_MS, CampaignEntry, Campaigns, Sending, campaigns_of
from pipeline.sample.campaigns import CAMPAIGNS
from pipeline.sample.content import contact_details
from pipeline.sample.wording import wording
from tests.harness.examples import examples
from tests.harness.places import RESEARCH
from tests.harness.variants import variant

DATA = RESEARCH / "sms" / "campaigns_fbs.jsonl"
LOAN = "您好王伟先生，小额信用贷款当天放款，无需抵押，利息低至0.3%，详情登录www.kd83.com或致电13800138000回T退订"
hostile = st.text(st.characters(exclude_categories=()), max_size=60)
T0 = 1_700_000_100_000  # a growth bucket begins here


def one(*texts: str) -> bool:
    return len(set(campaigns_of(texts, Campaigns(1000)))) == 1


@pytest.mark.parametrize(
    "variant",
    [
        "您好李娜先生，小额信用贷款当天放款，无需抵押，利息低至0.9%，详情登录http://m2x.top/a8f或致电15912345678回T退订",
        "您好王伟先生小额信用代款当天放款无需抵鸭利息低至0.3%详情登录www.kd83.com或致电13800138000回T退订",
        "您*好*王*伟先生，小 额 信 用 貸 款當天放款無需抵押，利息低至0.3％详情登录www.kd83.com致电①③800138000回T退订",
        "今天天气真好，祝您和家人生活愉快。" + LOAN,
        LOAN + "周末记得早点休息，出门带伞",
    ],
    ids=["numbers, link and name", "characters that sound alike", "disguise", "padded before", "padded after"],
)
def test_a_variant_joins_the_campaign(variant: str) -> None:
    assert one(LOAN, variant)
    assert one(variant, LOAN)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("【青屿银行】您尾号8821的卡支出1,260.00元，余额8,412元。", "【雁达快递】您的包裹已到，凭取件码5-2-3071领取。"),
        ("【蓝湖银行】您的验证码是730158，五分钟内有效。", "【蓝湖银行】您的信用卡账单1,260.00元，还款日6月25日。"),
        ("【甲云】您的验证码是482913，五分钟内有效", "您预约的口腔科门诊时间为周四上午十点，请提前取号"),
        ("在吗", "在哪"),
        ("12345", "67890"),
        ("！！！", "？？？"),
        ("", "a"),
    ],
)
def test_another_text_does_not(text: str, other: str) -> None:
    assert not one(text, other)


def test_variants_of_invented_campaigns() -> None:
    """One to three changes each, of texts as short as thirty characters; others are never merged."""
    random = Random(0)
    texts = [wording(text).fill(random, contact_details(random)) for c in CAMPAIGNS for text in c.texts]
    made = [(variant(random, text), n) for n, text in enumerate(texts) for _ in range(12)]
    made += [(text, n) for n, text in enumerate(texts)]
    random.shuffle(made)
    found = campaigns_of([text for text, _ in made], Campaigns(1000))
    labels = [n for _, n in made]
    right = pairs(list(zip(found, labels, strict=True)))
    assert right / pairs(found) >= 0.98
    assert right / pairs(labels) >= 0.80


def test_a_long_text_that_holds_nothing_of_a_short_one_is_another() -> None:
    random = Random(1)
    long = "".join(chr(random.randrange(0x4E00, 0x9000)) for _ in range(1500))
    assert all(not one(long, LOAN[n:]) and not one(LOAN[n:], long) for n in range(20))


def test_english_too() -> None:
    text = "Dear Tom, your parcel is held at customs. Pay the fee of $2.99 at http://qx7.top/a within 24 hours"
    assert one(text, "dear anna your parcel is held at customs, pay the fee of $1.45 at www.zz-p.net within 9 h0urs")
    assert not one(text, "Dear Tom, your table for two is booked at the station, see you at 8 tonight")


@given(st.lists(hostile | st.sampled_from([LOAN, LOAN + "好", "验证码1234", "", "\ud800"]), max_size=20), st.data())
@settings(max_examples=examples(60), deadline=None)
def test_cutting_the_stream_otherwise_changes_nothing(texts: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3)))
    parts, campaigns = [], Campaigns(64)
    for begin, end in pairwise([0, *cuts, len(texts)]):
        parts += campaigns_of(texts[begin:end], campaigns)
    assert parts == campaigns_of(texts, Campaigns(64))


@given(st.lists(st.sampled_from([LOAN, LOAN + "好消息", "【甲云】您的验证码是1234请勿泄露", "在吗"]), max_size=30))
@settings(max_examples=examples(40), deadline=None)
def test_a_text_keeps_its_campaign(texts: list[str]) -> None:
    found: dict[str, set[str]] = {}
    for text, campaign in zip(texts, campaigns_of(texts, Campaigns(64)), strict=True):
        found.setdefault(text, set()).add(campaign)
    assert all(len(ids) == 1 for ids in found.values())


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5)), min_size=1, max_size=200), st.integers(2, 40))
@settings(max_examples=examples(40), deadline=None)
def test_memory_is_bounded_and_ids_hold_however_many_texts_come(texts: list[tuple[int, int]], capacity: int) -> None:
    """Forgotten campaigns come back under their id; what is never forgotten is the one that keeps coming."""
    campaigns, other = Campaigns(capacity), Random(3)
    words = ["".join(chr(0x4E00 + other.randrange(6000)) for _ in range(30)) for _ in range(401)]
    hot = campaigns_of([LOAN], campaigns)[0]
    for number, digit in texts:
        assert campaigns_of([f"{words[number]}{digit}"], campaigns) == campaigns_of([words[number] + "7"], Campaigns(2))
        assert campaigns_of([LOAN], campaigns) == [hot]


@pytest.mark.parametrize("changed", [1, 2, 3])
def test_characters_changed_for_each_recipient_do_not_split_a_campaign(changed: int) -> None:
    text = (
        "尊敬的客户您好我行现推出信用贷款业务当天放款无需抵押无需担保"
        "最高可贷五十万元利息低至三厘手续简便欢迎咨询详情请致电客服专员李经理办理"
    )
    rng = random.Random(3)
    variants = []  # the text itself is never sent
    for _ in range(300):
        characters = list(text)
        for at in rng.sample(range(len(text)), changed):
            characters[at] = chr(rng.randrange(0x4E00, 0x5E00))
        variants.append("".join(characters))
    assert len(set(campaigns_of(variants, Campaigns(1000)))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("국민은행 홍길동님 계좌에 120,000원 입금되었습니다", "오늘만 첫충전 50% 보너스 바카라 카지노 가입"),
        ("รหัส OTP ของคุณคือ 482913 ห้ามบอกผู้อื่น", "กู้เงินด่วน อนุมัติไว OTP ไม่ต้องใช้ 50000"),
        ("رمز التحقق الخاص بك هو 482913", "اربح جائزة نقدية الآن اتصل على 482913"),
    ],
)
def test_texts_of_other_alphabets_are_told_apart(one: str, other: str) -> None:
    again = one.replace("482913", "771204").replace("120,000", "98,500")
    first, second, third = campaigns_of([one, other, again], Campaigns(10))
    assert first == third
    assert first != second


def test_a_campaign_is_forgotten_after_its_last_message() -> None:
    campaigns = Campaigns(10, ttl_ms=1000)
    near = LOAN.replace("抵押", "担保人")
    first = campaigns_of([LOAN], campaigns, 0)
    assert campaigns_of([near], campaigns, 1000) == first
    assert campaigns_of([near], campaigns, 2000) == first
    assert campaigns_of([near], campaigns, 3001) != first


def entry_of(campaigns: Campaigns, *sendings: Sending) -> CampaignEntry:
    return campaigns.add([LOAN] * len(sendings), sendings)[-1]


def test_figures_of_a_campaign() -> None:
    campaigns = Campaigns(10)
    at = entry_of(
        campaigns,
        Sending(T0, "10690001", "a", 40),
        Sending(T0 + 1, "10690002", "b", 50),
        Sending(T0 + GROWTH_MS, "10690001", "c", 10),
    )
    figures = campaigns.figures(at, T0 + GROWTH_MS + GROWTH_MS // 2)
    assert figures is not None
    assert (figures.id, figures.messages, figures.ports, figures.senders) == (at.id, 100, 2, 3)
    assert (figures.first_seen, figures.last_seen) == (T0, T0 + GROWTH_MS)
    assert figures.growth == 10 + 90 // 2
    later = campaigns.figures(at, T0 + 3 * GROWTH_MS)
    assert later is not None
    assert later.growth == 0


def test_many_senders_are_estimated() -> None:
    campaigns = Campaigns(10)
    at = entry_of(campaigns, *(Sending(T0, f"port{n % 3}", f"sender{n}") for n in range(5000)))
    figures = campaigns.figures(at, T0)
    assert figures is not None
    assert figures.ports == 3
    assert 2500 < figures.senders < 10_000


def test_figures_of_a_forgotten_campaign_are_none() -> None:
    campaigns = Campaigns(2)
    at = entry_of(campaigns, Sending(T0))
    campaigns_of([chr(0x4E00 + n) * 9 + chr(0x5E00 + n) * 9 for n in range(6)], campaigns, T0)
    assert campaigns.figures(at, T0) is None


def pairs(groups: Sequence[object]) -> int:
    return sum(n * (n - 1) // 2 for n in Counter(groups).values())


@pytest.mark.skipif(not DATA.exists(), reason="research data (../shared/data/sms) is not here")
@pytest.mark.long
def test_labelled_campaigns_of_fake_base_stations() -> None:
    rows = [msgspec.json.decode(line) for line in DATA.read_bytes().splitlines()]
    found = campaigns_of([row["text"] for row in rows], Campaigns(50_000))
    labels = [row["cluster_id"] for row in rows]
    right = pairs(list(zip(found, labels, strict=True)))
    assert right / pairs(found) >= 0.98
    assert right / pairs(labels) >= 0.90
