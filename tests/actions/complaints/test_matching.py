"""A complaint names a message only when one message fits; otherwise its doubt is told."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.complaints.matching import Candidate, Doubt, Found, alike, match

LOAN = "【惠民易贷】您的30万额度已审批，点击 http://loan.example.com/a8K2 提款，回T退订"
HOUSE = "【盛世地产】滨江壹号开盘在即，首付30万起，看房专车接送，详询4008001234"
SENT = Candidate("s1", "13800138000", LOAN, 1000, sent=True, campaign="c1")


def found(content: str, *candidates: Candidate, hidden: bool = False) -> tuple[str, str, str]:
    told = match(content, hidden, candidates)
    return told.found, told.doubt, told.message.message if told.message else ""


@pytest.mark.parametrize(
    "content",
    [LOAN, LOAN.replace("30", "50"), "您的3O万額度已審批，點擊 http://loan.example.com", "收到短信：" + LOAN, ""],
)
def test_one_message_with_this_text_is_it(content: str) -> None:
    assert found(content, SENT) == (Found.MATCHED, Doubt.NONE, "s1")


def test_of_several_with_this_text_the_newest_is_it() -> None:
    newer = replace(SENT, message="s2", at=2000)
    other = replace(SENT, message="s3", at=3000, content=HOUSE)
    assert found(LOAN, SENT, newer, other) == (Found.MATCHED, Doubt.NONE, "s2")


def test_what_is_not_sure_is_doubtful_and_says_why() -> None:
    assert found(HOUSE, SENT) == (Found.DOUBTFUL, Doubt.TEXT_DIFFERS, "s1")
    assert found(LOAN, replace(SENT, sent=False)) == (Found.DOUBTFUL, Doubt.NOT_SENT, "s1")
    assert found("", SENT, replace(SENT, message="s2", content=HOUSE)) == (Found.DOUBTFUL, Doubt.SEVERAL, "s2")
    assert found("", SENT, hidden=True) == (Found.DOUBTFUL, Doubt.HIDDEN_NUMBER, "s1")
    assert found(LOAN, SENT, replace(SENT, recipient="13811118000"), hidden=True) == (
        Found.DOUBTFUL,
        Doubt.HIDDEN_NUMBER,
        "s1",
    )
    assert found(LOAN) == (Found.UNMATCHED, Doubt.NO_MESSAGE, "")


def test_hidden_digits_do_no_harm_where_one_number_got_the_text() -> None:
    other = Candidate("s9", "13811118000", HOUSE, 2000, sent=True)
    assert found(LOAN, SENT, other, hidden=True) == (Found.MATCHED, Doubt.NONE, "s1")


texts = st.sampled_from([LOAN, HOUSE, "短", "", "12 34", "【某】验证码 123456，请勿告诉他人"])


@given(
    texts,
    st.booleans(),
    st.lists(
        st.builds(
            Candidate,
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["13800138000", "13811118000"]),
            texts,
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=5,
    ),
)
def test_order_never_matters_and_a_match_was_sent_and_has_the_text(
    content: str, hidden: bool, candidates: list[Candidate]
) -> None:
    told = match(content, hidden, candidates)
    shuffled = list(candidates)
    Random(1).shuffle(shuffled)
    again = match(content, hidden, shuffled)
    assert (told.found, told.doubt) == (again.found, again.doubt)
    if told.found is Found.MATCHED:
        assert told.message is not None
        assert told.message.sent
        assert not content.strip() or alike(content, told.message.content)
    assert (told.message is None) == (told.found is Found.UNMATCHED)


def test_texts_without_words_are_alike_when_they_are_the_same() -> None:
    assert alike("12 34", "12 34")
    assert not alike("", LOAN)
    assert not alike(HOUSE, LOAN)
