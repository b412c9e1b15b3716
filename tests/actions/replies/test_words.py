"""Words of subscribers: what they ask for, in any spelling, and what is no wish."""

from __future__ import annotations

import pytest

from pipeline.actions.replies.words import Wish, Words
from pipeline.settings import Settings

WORDS = Words.of(Settings(_env_file=None))
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize("text", ["退订", " 退 订！", "TD", "Ｔ", "td。", "stop", "【退订】", "拒收", "退訂"])
def test_words_that_unsubscribe(text: str) -> None:
    assert WORDS.wish(text, NONE) is Wish.UNSUBSCRIBE


@pytest.mark.parametrize("text", ["", "我不想退订", "TDD", "谢谢", "T恤有货吗", "1", "不要投诉", "投诉电话多少"])
def test_words_that_ask_for_nothing(text: str) -> None:
    assert WORDS.wish(text, NONE) is None


def test_a_port_with_words_of_its_own_takes_these_and_the_plain_ones() -> None:
    assert WORDS.wish("qx", {"QX"}) is Wish.UNSUBSCRIBE
    assert WORDS.wish("退订", {"QX"}) is Wish.UNSUBSCRIBE
    assert WORDS.wish("N", {"QX"}) is None


@pytest.mark.parametrize("text", ["恢复订阅", "恢复 订阅。", "取消退订", "start", "Resubscribe"])
def test_words_that_subscribe_again(text: str) -> None:
    assert WORDS.wish(text, NONE) is Wish.RESUBSCRIBE


@pytest.mark.parametrize("text", ["投诉", "投诉：天天发广告", "举报 骗子", "投 诉", "Complaint: three a day"])
def test_a_complaint_may_go_on_after_its_word(text: str) -> None:
    assert WORDS.wish(text, NONE) is Wish.COMPLAIN


def test_the_words_are_those_of_the_settings() -> None:
    own = Words.of(Settings(_env_file=None, unsubscribe_words=("不要",), resubscribe_words=("要",)))
    assert (own.wish("不 要", NONE), own.wish("要", NONE)) == (Wish.UNSUBSCRIBE, Wish.RESUBSCRIBE)
    assert own.wish("退订", NONE) is None
