"""What an analyst may see of a text or a number."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.http.submit import fresh_ident
from pipeline.lake.privacy import Privacy, mask_text

PRIVACY = Privacy(b"secret")
MOBILES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)


def test_equal_numbers_join_in_any_spelling() -> None:
    spellings = ["13800138000", "+8613800138000", "8613800138000", "0086 138-0013-8000", "１３８００１３８０００"]
    assert len({PRIVACY.number(spelling) for spelling in spellings}) == 1
    assert re.fullmatch(r"[0-9a-f]{16}", PRIVACY.number(spellings[0]))


def test_another_key_gives_another_hash() -> None:
    assert PRIVACY.number("13800138000") != Privacy(b"other").number("13800138000")


def test_service_codes_stay_and_subscribers_do_not() -> None:
    assert PRIVACY.party("10690001") == "10690001"
    assert PRIVACY.party("95588") == "95588"
    assert PRIVACY.party("13800138000") == PRIVACY.number("13800138000")
    assert PRIVACY.party("01088886666") == PRIVACY.number("01088886666")


def test_a_subscriber_behind_a_service_code_is_hashed() -> None:
    assert PRIVACY.party("1065813913800138000") == "10658139+" + PRIVACY.number("13800138000")


def test_what_is_a_hash_already_stays() -> None:
    hashed = PRIVACY.number("13800138000")
    assert PRIVACY.party(hashed) == hashed
    assert PRIVACY.value(hashed) == hashed


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("王女士，验证码482913", "某女士，验证码******"),
        ("尊敬的张三丰先生您好", "尊敬的某某某先生您好"),
        ("收件人：李四光 取件", "收件人：某某某 取件"),
        ("详见 https://u77.shop.com.cn/Xy12?p=1#a 谢谢", "详见 https://shop.com.cn/… 谢谢"),
        ("点t.cn/Ab3 领取", "点t.cn/… 领取"),
        ("http://47.96.1.2/a", "http://47.96.1.2/…"),
        ("电话１３８ ００１３ ８０００", "电话*** **** ****"),
        ("一三八零零一三八零零零", "***********"),
        ("加①③⑧00138000", "加***********"),
        ("写信 zhang.san@qq.com", "写信 …@qq.com"),
        ("第一名，一般般", "第一名，一般般"),
        ("登1380-0138-000.com", "登****-****-***.com"),
    ],
)
def test_texts_keep_words_and_lose_persons(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@given(MOBILES, st.text(max_size=20), st.text(max_size=20))
def test_no_number_survives_in_a_text(number: str, before: str, after: str) -> None:
    assert number not in mask_text(before + number + after)


@given(MOBILES, st.text("贷款，: http/w.cn@-_", max_size=20), st.text("贷款，: http/w.cn@-_", max_size=20))
def test_no_number_survives_beside_links(number: str, before: str, after: str) -> None:
    assert number not in mask_text(before + number + after)


@given(MOBILES, st.sampled_from(["{}", "to {} in 5 min", "rule/{}/12", "号码{}。"]))
def test_no_number_survives_in_ids_messages_and_values(number: str, form: str) -> None:
    text = form.format(number)
    assert number not in PRIVACY.ident(text)
    assert number not in PRIVACY.own_words(text)
    assert number not in str(PRIVACY.value({text: [text, {"n": int(number)}], "n": number}))


def test_equal_ids_stay_equal_so_they_join() -> None:
    assert PRIVACY.ident("20261122-13800138000/3") == PRIVACY.ident("20261122-13800138000") + "/3"
    assert PRIVACY.ident("20261122153000123") == "20261122153000123"


@given(
    MOBILES,
    st.text("0123456789", max_size=12),
    st.text("0123456789", max_size=8),
    st.sampled_from(["", "SN", "ord-", "10690001", "2026112", "a", "é"]),
)
def test_no_number_survives_in_a_longer_run_of_digits(number: str, before: str, after: str, head: str) -> None:
    """An extension, an order's number, a figure: any 11 digits that may be a mobile number."""
    text = head + before + number + after
    for given_ in (text, text.translate(str.maketrans("0123456789", "０１２３４５６７８９"))):
        for shown in (PRIVACY.ident(given_), PRIVACY.own_words(given_), PRIVACY.label(given_)):
            assert number not in shown
            assert number not in shown.translate(str.maketrans("０１２３４５６７８９", "0123456789"))
    digits = "".join(c for c in text if c.isascii() and c.isdigit())
    assert number not in PRIVACY.party(digits)
    assert number not in str(PRIVACY.value(int(f"1069{before}{number}{after}")))


def test_what_follows_a_service_code_joins_by_its_hash() -> None:
    hashed = PRIVACY.number("13800000001")
    assert PRIVACY.ident("1069000113800000001") == "10690001" + hashed
    assert PRIVACY.party("1069000113800000001") == "10690001+" + hashed
    assert PRIVACY.ident("order 138-0000-0001") == "order " + hashed


@pytest.mark.parametrize(
    "written",
    [
        "138-0000-0001",
        "138-00000001",
        "1380-0000-001",
        "138.0000.0001",
        "+86 138 0000 0001",
        "0086-13800000001",
        "1 3 8 0 0 0 0 0 0 0 1",
        "１３８-0000-0001",
    ],
)
def test_a_number_in_groups_is_one(written: str) -> None:
    assert PRIVACY.ident(f"order {written}/2") == f"order {PRIVACY.number('13800000001')}/2"


@pytest.mark.parametrize("ident", ["2024-11-28/17-3", "17-2024-11-28", "a1-2-3", "13-8000000012-1"])
def test_other_groups_stay(ident: str) -> None:
    assert PRIVACY.ident(ident) == ident


def test_a_batchs_name_is_a_text_and_stays_apart_from_others() -> None:
    assert PRIVACY.label("国庆促销") == "国庆促销"
    first, second = PRIVACY.label("王女士 13800000001"), PRIVACY.label("王女士 13800000002")
    assert first.startswith("某女士 ***********#")
    assert first != second
    assert first == PRIVACY.label("王女士 13800000001")


def test_an_id_of_ours_is_never_taken_for_a_number() -> None:
    for _ in range(2000):
        ident = fresh_ident()
        assert PRIVACY.ident(ident) == ident


@pytest.mark.parametrize("figure", [-13800138000, 913800138000, 913800138000.0, 9138001380000123])
def test_a_figure_that_holds_a_number_does_not_stay(figure: float) -> None:
    assert "13800138000" not in str(PRIVACY.value({"seen": figure}))


def test_figures_a_rule_saw_stay() -> None:
    seen = {"same_content_5m": 51, "score": 0.5, "new": True, "at": 1795308071833, "link": None}
    assert PRIVACY.value(seen) == seen
    assert PRIVACY.own_words("51 messages of one content in 5 minutes") == "51 messages of one content in 5 minutes"
