"""Registered templates: what fits passes bulk review and the score, so nothing else may fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.templates import MAX_SLOT, Template

CODE = Template.parse("t", "【江城银行】验证码{code}，{minutes}分钟内有效。", Kind.ONE_TIME_CODE)
filling = st.text(st.characters(codec="utf-8", exclude_characters="，。分\n"), min_size=1, max_size=MAX_SLOT)


def template(text: str) -> Template:
    return Template.parse("t", text, Kind.NOTICE)


@given(filling, filling)
def test_a_filled_template_fits(code: str, minutes: str) -> None:
    assert CODE.fits(f"【江城银行】验证码{code}，{minutes}分钟内有效。")


@pytest.mark.parametrize(
    "text",
    [
        "【江城银行】验证码，5分钟内有效。",  # nothing filled in
        "【江城银行】验证码123456，5分钟内有效",  # the end is missing
        "【江城银行】验证码123456，5分钟内有效。加微信",  # something behind
        "加微信【江城银行】验证码123456，5分钟内有效。",  # something before
        "【江城银行】验证码12\n34，5分钟内有效。",  # a line of its own
        "【江城银行】验证码123456，5\n分钟内有效。",
        "【江城银行】验证码" + "1" * (MAX_SLOT + 1) + "，5分钟内有效。",
        "",
    ],
)
def test_what_differs_outside_the_placeholders_does_not_fit(text: str) -> None:
    assert not CODE.fits(text)


SPAM = "恭喜您获赠彩金888元，点击win-k9.example注册即可提现，客服微信kf88990，先到先得"


@pytest.mark.parametrize("text", ["{a}", "您好{a}", "{a}，回T退订", "您好{a}，余额{b}元"])
def test_an_advertisement_in_a_placeholder_does_not_fit(text: str) -> None:
    registered = template(text if text != "{a}" else "【签名】{a}")
    smuggled = text.replace("{a}", SPAM).replace("{b}", "1")
    assert not registered.fits(smuggled if text != "{a}" else "【签名】" + SPAM)


@pytest.mark.parametrize("length", [1, MAX_SLOT])
def test_a_placeholder_takes_1_to_32_code_points(length: int) -> None:
    for text in ("{a}元", "余额{a}", "余额{a}元", "余额{a}元{b}。"):
        filled = text.replace("{a}", "😀" * length).replace("{b}", "x")
        assert template(text).fits(filled)
        assert not template(text).fits(filled.replace("😀", "😀" * (MAX_SLOT + 1)))


@pytest.mark.parametrize("text", ["{code}", "#code#", "{}", "{code}#x#", "{a}{b}{c}"])
def test_all_spellings_of_a_placeholder_and_several_in_a_row_are_one(text: str) -> None:
    registered = template(f"余额{text}元")
    assert registered.parts == ("余额", "元")
    assert registered.fits("余额100元")
    assert not registered.fits("余额" + "1" * (MAX_SLOT + 1) + "元")


def test_a_template_without_placeholders_fits_itself_only() -> None:
    assert template("停水通知").fits("停水通知")
    assert not template("停水通知").fits("停水通知。")


@pytest.mark.parametrize("text", ["", " ", "{a}", "{a} {b}", "#a#\n"])
def test_a_template_without_words_is_refused(text: str) -> None:
    with pytest.raises(AntispamError, match="template t: nothing but placeholders"):
        template(text)


@given(st.text(max_size=50), st.text(max_size=200))
def test_any_template_meets_any_text(words: str, text: str) -> None:
    try:
        registered = template(words)
    except AntispamError:
        return
    if registered.fits(text):
        assert len(text) <= len(words) + MAX_SLOT * len(registered.parts)


class Counted(str):
    """A text that adds up how many code points are searched in it."""

    searched = 0

    def find(self, *args: object) -> int:
        """Like str.find; the span given bounds what is looked at."""
        found = str.find(self, *args)  # type: ignore[arg-type]
        start, end = int(args[1]), min(int(args[2]), len(self))  # type: ignore[call-overload]
        Counted.searched += (found if found >= 0 else end) - start + len(str(args[0]))
        return found


@pytest.mark.parametrize("literal", ["a", "aaaaaaaaab"])
def test_the_work_grows_with_the_text_only(literal: str) -> None:
    """What makes backtracking expressions explode: many placeholders between equal letters."""
    for places in (10, 100, 1000):
        registered = template("{x}".join([literal] * places) + "!")
        text = Counted("a" * (places * (len(literal) + 5)))
        Counted.searched = 0
        assert not registered.fits(text)
        assert Counted.searched <= 4 * len(text)
