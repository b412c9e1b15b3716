"""Views read what the normal form leaves: halves of characters, sounds, strokes, figures for letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.joining import joined
from pipeline.text.leet import leet
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import normalise_batch
from pipeline.text.pinyin import cut, pinyin
from pipeline.text.tape import Tape
from pipeline.text.views import views

hostile = st.text(st.characters(exclude_categories=()), max_size=100)
tricky = st.text(st.sampled_from("弓虽氵去法fapiao x1，。 *发票代kai开\0\n"), max_size=40)


@pytest.mark.parametrize(
    ("written", "view", "reading"),
    [
        ("氵去律", "joined", "法律"),
        ("弓虽力", "joined", "强力"),
        ("发，票", "joined", "发票"),
        ("加 V 信", "joined", "加v信"),
        ("代a开b发1票", "joined", "代开发票"),
        ("加，V信到A座", "joined", "加v信到a座"),
        ("代kai发piao", "pinyin", "dai kai fa piao"),
        ("贷 款", "pinyin", "dai kuan"),
        ("末来", "lookalike", "未来"),
        ("v1agra fr33", "leet", "viagra free"),
    ],
)
def test_a_view_reads(written: str, view: str, reading: str) -> None:
    assert views(normalise_batch([written]))[0][view] == reading


def test_a_view_that_reads_like_the_normal_form_is_not_shown() -> None:
    assert "joined" not in views(normalise_batch(["发票"]))[0]


@pytest.mark.parametrize(
    ("letters", "syllables"),
    [("fapiao", ("fa", "piao")), ("xian", ("xian",)), ("zhuang", ("zhuang",)), ("hello", ()), ("v", ()), ("", ())],
)
def test_pinyin_is_cut_into_syllables(letters: str, syllables: tuple[str, ...]) -> None:
    assert cut(letters) == syllables


def test_english_is_no_pinyin() -> None:
    assert "pinyin" not in views(normalise_batch(["he can die"]))[0]


@given(st.one_of(hostile, tricky))
def test_every_view_keeps_its_places(text: str) -> None:
    normal = normalise_batch([text]).tape
    close, merged = joined(normal)
    sound, latin = pinyin(close)
    assert len(merged) == len(close.codes)
    assert len(latin) == len(sound.codes)
    for tape in (normal, close, sound, lookalike(close), leet(normal)):
        _in_place(tape, len(text))


def _in_place(tape: Tape, length: int) -> None:
    assert len(tape.borders) == 1
    assert ((tape.end[1:] - tape.end[:-1]) >= 0).all()
    assert ((tape.origin[1:] - tape.origin[:-1]) >= 0).all()
    assert (tape.origin < tape.end).all()
    assert tape.end[-1] <= length + 1
