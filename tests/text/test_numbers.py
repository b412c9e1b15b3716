"""One form of a number: every spelling of it is the same string, and what is none is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.numbers import LONGEST_TEXT, number, service_code

WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
MOBILES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
MACHINES = st.from_regex(r"14[0-9]{11}|1064[0-9]{9}", fullmatch=True)
FIXED = st.from_regex(r"0(10[2-5789]|2[0-9][2-9]|[3-9][0-9]{2}[2-9])[0-9]{7}", fullmatch=True).filter(
    lambda line: not line.startswith(("095", "096"))  # after 86 these begin as service codes do
)
CODES = st.from_regex(r"(106[0-35-9][0-9]|123|955)[0-9]{2,9}", fullmatch=True)


@st.composite
def spellings(draw: st.DrawFn, plain: str, prefixes: list[str], *, grouped: bool = True) -> str:
    """A number as people write it."""
    between = st.sampled_from(["", "", "", " ", "-", " - ", "\u00a0", "\u2011"]) if grouped else st.just("")
    digits = "".join(draw(between) + digit for digit in plain)
    prefix = draw(st.sampled_from(prefixes))
    if grouped and prefix.startswith("+"):
        prefix = draw(st.sampled_from([prefix, f"({prefix})", f"（{prefix}） "]))
    text = draw(st.sampled_from(["", " ", "\t", "\u202d", "\u3000"])) + prefix + digits.lstrip(" -\u00a0\u2011")
    text += draw(st.sampled_from(["", " ", "\t", "\u202c"]))
    return text.translate(WIDE) if draw(st.booleans()) else text


@given(st.data(), st.one_of(MOBILES, MACHINES))
def test_every_spelling_of_a_mobile_is_one_number(data: st.DataObject, plain: str) -> None:
    prefixes = ["", "+86", "0086", "86", "86 ", "+86-", *(["0", "+86 0"] if len(plain) == 11 else [])]
    assert number(data.draw(spellings(plain, prefixes))) == plain


@given(st.data(), FIXED)
def test_every_spelling_of_a_fixed_line_is_one_number(data: st.DataObject, plain: str) -> None:
    assert number(data.draw(spellings(plain, ["", "+86 ", "0086"]))) == plain
    assert number(data.draw(spellings(plain[1:], ["+86", "0086-", "86"]))) == plain


@given(st.data(), CODES)
def test_every_spelling_of_a_service_code_is_one_number(data: st.DataObject, plain: str) -> None:
    assert number(data.draw(spellings(plain, ["", "+86", "0086", "86"], grouped=False))) == plain


@pytest.mark.parametrize(
    ("form", "spelled"),
    [
        ("85261234567", ["+852 6123 4567", "0085261234567", "85261234567", "(+852) 6123-4567"]),
        ("442079460958", ["+44 20 7946 0958", "+44 (0)20 7946 0958", "0044-20-7946-0958"]),
        ("0013805550100", ["+1 380 555 0100", "0013805550100", "+1 (380) 555-0100"]),
        ("00959123456789", ["+95 9 123 456 789", "00959123456789"]),
        ("4008001234", ["400-800-1234", "+86 400 800 1234"]),
        ("01062751234", ["010-62751234", "(010) 6275 1234", "+86 10 6275 1234", "+86 (0)10 6275 1234"]),
        ("10690001", ["10690001", "8610690001", "+86 10690001", "+10690001"]),
        ("1795113800000001", ["1795113800000001"]),
    ],
)
def test_numbers_of_other_kinds(form: str, spelled: list[str]) -> None:
    assert {number(text) for text in spelled} == {form}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "+",
        "138",
        "0000",
        "0001",
        "1380000000",
        "138000000011",
        "+13800000001",
        "12a45",
        "1;2",
        "1.38E+10",
        "138.0000.0001",
        "13800000001 13800000002",
        "13800000001,13800000002",
        "1380000\n0001",
        "10690001 10690002",
        "95588 95599",
        "8613800",
        "008613800000",
        "0013805550",
        "+8526123456789012",
        "1" * 22,
        "١٣٨٠٠٠٠٠٠٠١",
        "①③⑧00000001",
        "1 3" * 99,
        "--13800000001",
        "13800000001 ext 3",
    ],
)
def test_what_is_no_plausible_number_is_none(text: str) -> None:
    assert number(text) is None


@given(st.one_of(st.text(" +-()0123456789８６\u200b", max_size=LONGEST_TEXT + 2), st.text()))
def test_the_form_of_a_form_is_itself_and_digits(text: str) -> None:
    for one_form in (number, service_code):
        form = one_form(text)
        if form is not None:
            assert re.fullmatch(r"[0-9]{3,21}", form)
            assert one_form(form) == form
            assert service_code(form) == form


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("138", "138"),
        ("138000", "138000"),
        ("8888", "8888"),
        ("868888", "868888"),
        ("+86 10690001", "10690001"),
        ("1069 0001", None),
        ("10690001a", None),
        ("1" * 22, None),
    ],
)
def test_operators_may_give_out_any_code(text: str, code: str | None) -> None:
    assert service_code(text) == code
