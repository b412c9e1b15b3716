"""Ways to unsubscribe: the word to answer, also in disguise, and never a mere mention."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.normal import normalise_batch
from pipeline.text.wording.unsubscribe import find_unsubscribe_words


def words(text: str) -> tuple[str, ...]:
    return find_unsubscribe_words(normalise_batch([text]))[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("【示例】新品第二杯半价，回T退订", "T"),
        ("回复TD退订", "TD"),
        ("拒收请回复R", "R"),
        ("退订回TD", "TD"),
        ("退订请回复 TD", "TD"),
        ("了解回复Y，退订回T", "T"),
        ("如需退订此类信息，回复TDX", "TDX"),
        ("如需退订此通知短信请回复“T”", "T"),
        ("发送QX到10690001退订", "QX"),
        ("回复 N 取消订阅", "N"),
        ("回复T可退订", "T"),
        ("拒收回复0000", "0000"),
        ("退订TD", "TD"),
        ("不再打扰请回复【退订】", "退订"),
        ("Reply STOP to opt out", "STOP"),
        ("Sale ends Sunday. Txt STOP", "STOP"),
        ("Reply 'STOP' to unsubscribe", "STOP"),
        ("To opt out, reply STOP", "STOP"),
        ("Text NO to 87575 to opt out", "NO"),
        ("Opt-out: text OUT to 12345", "OUT"),
        ("Text HELP for help, STOP to quit", "STOP"),
        ("FREE msg STOP to 87575", "STOP"),
        ("STOP=optout", "STOP"),
        ("Stop2EndTxts", "STOP"),
        ("type UNSUB and send it to 42501", "UNSUB"),
    ],
)
def test_a_way_is_found(text: str, word: str) -> None:
    assert words(text) == (word,)


@pytest.mark.parametrize(
    "text", ["回 Ｔ 退 订", "回T退.订", "回T退訂", "回🅣退订", "回\u200bT退\u200b订", "R̲e̲p̲l̲y STOP to opt out"]
)
def test_a_disguised_way_is_found(text: str) -> None:
    assert len(words(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "您已退订成功，如有疑问请致电10086",
        "无需退订，到期自动失效",
        "业务退订可拨打10086热线",
        "请办理改期或退订",
        "机票CA123退订",
        "房间101已退订",
        "如拒收请立即联系电话13800000000",
        "回电13800000000退订套餐",
        "取消订单请回复1",
        "Please stop at the STOP sign",
        "Non-stop flights to 300 cities",
        "one stop shop call 0800",
        "text me when you stop",
        "Reply CANCEL to cancel your appointment",
        "send stopautorenew to 300",
        "You have been unsubscribed from our list",
        "the bus stop to 12 streets",
    ],
)
def test_a_mention_is_no_way(text: str) -> None:
    assert words(text) == ()


def test_every_word_counts_once() -> None:
    assert words("Reply STOP to end. 回T退订，回T退订，拒收回R") == ("T", "R", "STOP")


@given(st.lists(st.text(alphabet="回复退订拒收T1 ，stopreply\0", max_size=30), max_size=6))
def test_a_batch_finds_what_each_text_alone_does(texts: list[str]) -> None:
    assert find_unsubscribe_words(normalise_batch(texts)) == [words(text) for text in texts]
