"""Signatures of a text: where they may stand, in which brackets, and what is no signature."""

from __future__ import annotations

import pytest

from pipeline.text.normal import normalise_batch
from pipeline.text.signatures import Signature, find_signatures, signature_name, signed


def _found(text: str) -> list[tuple[str, str]]:
    """(name, place in the raw text) of each signature."""
    (found,) = find_signatures(normalise_batch([text]))
    return [(one.name, text[one.start : one.end]) for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("【示例地产】王女士您好", [("示例地产", "【示例地产】")]),
        ("王女士您好【示例地产】", [("示例地产", "【示例地产】")]),
        ("Your code is 1234 [Lumovia]", [("lumovia", "[Lumovia]")]),
        ("［Ｌｕｍｏｖｉａ］ code 1234", [("lumovia", "［Ｌｕｍｏｖｉａ］")]),
        ("  【示例地产】您好", [("示例地产", "【示例地产】")]),
        ("🎉【示例地产】您好", [("示例地产", "【示例地产】")]),
        ("您好【示例地产】。", [("示例地产", "【示例地产】")]),
        ("周末开盘【示例地产】回T退订", [("示例地产", "【示例地产】")]),
        ("周末开盘【示例地产】拒收请回复R", [("示例地产", "【示例地产】")]),
        ("【示例地产】", [("示例地产", "【示例地产】")]),
        ("【甲银行】【乙商城】您好", [("甲银行", "【甲银行】"), ("乙商城", "【乙商城】")]),
        ("【甲银行】您好【乙商城】", [("甲银行", "【甲银行】"), ("乙商城", "【乙商城】")]),
    ],
)
def test_a_signature_stands_first_or_last(text: str, expected: list[tuple[str, str]]) -> None:
    assert _found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("您好，周末开盘", "", "请到【示例路】领取，过期作废"),
        *("[2026-03-09 12:00] 已到账", "【】您好", "验证码 1234[工作人员不会索取，请勿泄露]"),
        *("【" + "长" * 33 + "】您好", "【示例地产 您好", "（示例地产）您好", "《示例》上映"),
    ],
)
def test_other_brackets_are_no_signature(text: str) -> None:
    assert _found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        *("【工*商*银*行】您好", "【工 商 银 行】您好", "【工\u200b商\u200b银\u200b行】您好", "【工商銀行】您好"),
        *("〖工商银行〗您好", "〔工商银行〕您好", "⟦工商银行⟧您好", "【工商银行]您好", "﹝工商银行﹞您好"),
    ],
)
def test_a_disguise_does_not_hide_a_signature(text: str) -> None:
    ((name, place),) = _found(text)
    assert name == "工商银行"
    assert place == text[: text.index("您")]


def test_a_registered_signature_has_the_name_of_the_written_one() -> None:
    for registered in ("Skylark Air", "【skylarkair】", "SkylarkAir", "ＳｋｙｌａｒｋＡｉｒ"):
        assert signature_name(registered) == "skylarkair"


def test_a_batch_is_read_like_single_texts() -> None:
    texts = ["【甲】您好", "", "您好【乙】", "x\0【丙】", "【\ud800丁】\u200b您好"]
    alone = [find_signatures(normalise_batch([text]))[0] for text in texts]
    assert find_signatures(normalise_batch(texts)) == alone
    assert alone[0] == (Signature("甲", 0, 3),)


def test_a_text_of_brackets_is_read_in_linear_time() -> None:
    assert _found("[a" * 20_000) == []
    assert _found("[a]" * 20_000 + ".")[:1] == [("a", "[a]")]


@pytest.mark.parametrize(
    ("content", "registered", "expected"),
    [
        ("您好", (), "您好"),
        ("您好", ("银行", "Bank"), "【银行】您好"),
        ("您好", ("【银行】",), "【银行】您好"),
        ("【银行】您好", ("银行",), "【银行】您好"),
        ("您好【銀 行】", ("银行",), "您好【銀 行】"),
        ("[bank] hello", ("银行", "Bank"), "[bank] hello"),
        ("【别家】您好", ("银行",), "【银行】【别家】您好"),
    ],
)
def test_the_first_registered_signature_is_inserted_where_none_stands(
    content: str, registered: tuple[str, ...], expected: str
) -> None:
    assert signed(content, registered) == expected
