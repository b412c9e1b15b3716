"""The normal form says what is really written, and where each character of it stands."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text.characters import characters
from pipeline.text.normal import normalise, normalise_batch
from pipeline.text.tape import BORDER

hostile = st.text(st.characters(exclude_categories=()), max_size=200)
# What the techniques react to, close together, so that they meet.
tricky = st.text(
    st.sampled_from("abж0５①一二三零発發票氵去 \n.*~，。-|😀\u200b\u0301\u20e3\ud800\0éI\u202e№㎏ﬃ"), max_size=40
)


@pytest.mark.parametrize(
    ("written", "normal", "techniques"),
    [
        ("ＦＡ１３８", "fa138", {"full_width": 5}),
        ("①③⑧⓪❷⑴⒈🅐", "1380211a", {"circled": 8}),
        ("代開發票", "代开发票", {"traditional": 2}),
        ("发\u200b票\u2060", "发票", {"invisible": 2}),
        ("发\u3164票\uffa0", "发票", {"invisible": 2}),
        ("发\u0301票\u0489", "发票", {"combining": 2}),
        ("pаypаl", "paypal", {"homoglyph": 2}),
        ("lംgin cಂde", "login code", {"homoglyph": 2}),
        ("𝐛𝐞𝐭", "bet", {"styled": 3}),
        ("ᴠɪᴀɢʀᴀ", "viagra", {"styled": 6}),
        ("ꓟꓰꓓal", "medal", {"homoglyph": 1}),  # beside a Latin letter
        ("发*票", "发票", {"separators": 1}),
        ("代丶开丶发丿票", "代开发票", {"separators": 3}),
        ("办 证", "办证", {"separators": 1}),
        ("发😀票", "发票", {"separators": 1}),
        ("v-i-a-g.r.a", "viagra", {"separators": 5}),
        ("g e t", "get", {"separators": 2}),
        ("c.l.a.i.m i.t.s", "claim its", {"separators": 6}),
        ("fr*ee", "free", {"separators": 1}),
        ("加一三八零零壹叁捌", "加13800138", {"chinese_digits": 1}),
        ("138零0138000", "13800138000", {"chinese_digits": 1}),
        ("Ünïcode Ça va", "unicode ca va", {}),
        ("1\ufe0f\u20e32\ufe0f\u20e3", "12", {"circled": 2}),
    ],
)
def test_a_disguise_is_undone_and_named(written: str, normal: str, techniques: dict[str, int]) -> None:
    found = normalise(written)
    assert found.text == normal
    assert found.techniques == techniques


@pytest.mark.parametrize(
    "text",
    [
        "您的验证码是482913,5分钟内有效。",
        "一心一意,三天两头,万一",
        "订单20240101一共三件",
        "i am here. call me at 5:30",
        "user@example.com 3.14 a-b",
        "时间:10点。地点:一楼",
        "привет",
        "👩\u200d👧 hi",
    ],
)
def test_honest_writing_shows_no_technique(text: str) -> None:
    assert normalise(text).techniques == {}


def test_sentence_marks_keep_clauses_apart() -> None:
    assert normalise("已出发，票已订。\n谢谢").text == "已出发,票已订。\n谢谢"


def test_the_map_leads_back_to_what_was_written() -> None:
    raw = "请 加１：發*票㎏"
    found = normalise(raw)
    assert found.text == "请加1:发票kg"
    assert [raw[at] for at in found.map] == list("请加１：發票㎏㎏")


@given(st.one_of(hostile, tricky))
@example("a b*c 一二 三\n四")
def test_the_map_covers_the_normal_form_and_never_falls(text: str) -> None:
    found = normalise(text)
    assert len(found.map) == len(found.text)
    assert all(one <= other for one, other in zip(found.map, found.map[1:], strict=False))
    assert all(0 <= at < len(text) for at in found.map)


@given(st.one_of(hostile, tricky))
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    once = normalise(text).text
    assert normalise(once).text == once


@given(st.lists(st.one_of(hostile, tricky), max_size=5))
def test_a_text_is_read_the_same_in_any_batch(texts: list[str]) -> None:
    batch = normalise_batch(texts)
    for n, text in enumerate(texts):
        alone = normalise(text)
        assert (batch.texts[n], tuple(batch.map(n).tolist()), batch.techniques[n]) == (
            alone.text,
            alone.map,
            alone.techniques,
        )


@given(hostile)
def test_a_normal_form_can_be_written_as_utf8(text: str) -> None:
    normalise(text).text.encode()


@pytest.mark.parametrize(
    "text", ["\ud800" * 1000, "\0" * 1000, "e" + "\u0301" * 5000, "\u202e" * 2000 + "abc", "a b " * 25_000, "ﷺ" * 2000]
)
def test_hostile_texts_stay_in_proportion(text: str) -> None:
    # The longest compatibility form has 18 code points; nothing else grows.
    assert len(normalise(text).text) <= 18 * len(text)


def test_no_text_is_taken_for_a_border() -> None:
    assert BORDER not in characters().fold[1:]
    assert normalise_batch(["a\0b", "", "\0"]).texts == ["ab", "", ""]
