"""Variants of a text show as the columns that were filled in, and nothing of any text is lost from them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.review.differences import Slot, most_different, slots

TEXT = st.text(alphabet="尊敬的客户王李 09a.cn/", max_size=24)


def test_host_number_and_name_are_columns() -> None:
    texts = [
        "尊敬的赵先生，您的 1000 积分今日到期，请登录 http://aab.top/j 兑换",
        "尊敬的钱女士，您的 2750 积分今日到期，请登录 mcx.cn/77 兑换",
        "尊敬的孙先生，您的 1000 积分今日到期，请登录 http://aab.top/j 兑换礼品",
    ]
    assert slots(texts) == [
        Slot("words", ("赵先生", "钱女士", "孙先生")),
        Slot("number", ("1000", "2750", "1000")),
        Slot("link", ("http://aab.top/j", "mcx.cn/77", "http://aab.top/j")),
        Slot("words", ("", "", "礼品")),
    ]


def test_equal_texts_and_one_text_have_no_slots() -> None:
    assert slots([]) == slots(["你好"]) == slots(["你好", "你好"]) == []


@given(st.lists(TEXT, min_size=2, max_size=5))
def test_texts_with_equal_slots_are_equal_but_for_spaces(texts: list[str]) -> None:
    found = slots(texts)
    assert all(len(slot.values) == len(texts) for slot in found)
    by_values: dict[tuple[str, ...], set[str]] = {}
    for n, text in enumerate(texts):
        by_values.setdefault(tuple(slot.values[n] for slot in found), set()).add("".join(text.split()))
    assert all(len(alike) == 1 for alike in by_values.values())


@given(TEXT, st.lists(TEXT, unique=True, max_size=6), st.integers(0, 6))
def test_the_most_different_come_first(first: str, others: list[str], count: int) -> None:
    taken = most_different(first, others, count)
    assert len(taken) == min(count, len(others))
    assert set(taken) <= set(others)
    assert len(set(taken)) == len(taken)


def test_another_text_comes_before_another_digit() -> None:
    first = "您的快递 1 号已到，请凭码领取"
    assert most_different(first, ["您的快递 2 号已到，请凭码领取", "贷款额度已审批，请加微信"], 1) == [
        "贷款额度已审批，请加微信"
    ]
