from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sample.wording import BLANKS, MOBILE_PREFIXES, phones, wording


@given(st.integers())
def test_a_seed_always_fills_a_wording_alike(seed: int) -> None:
    text = "{name}，[您好|你好]，验证码{code}，{link}"
    assert wording(text).fill(Random(seed)) == wording(text).fill(Random(seed))


@given(st.integers())
def test_blanks_and_choices_leave_no_trace(seed: int) -> None:
    filled = wording("[一|二]开头，{amount}元，[三|四]").fill(Random(seed))
    assert filled[0] in "一二"
    assert filled[-1] in "三四"
    assert not set("[]{}|") & set(filled)


def test_a_text_without_blanks_stays_as_it_is() -> None:
    assert wording("到了吗").fill(Random(1)) == "到了吗"


def test_the_caller_may_fix_a_blank() -> None:
    assert wording("电话{phone}！{phone}").fill(Random(1), {"phone": "1"}) == "电话1！1"


def test_a_blank_nobody_fills_is_refused() -> None:
    with pytest.raises(KeyError, match="nobody"):
        wording("{nobody}")


@pytest.mark.parametrize("blank", sorted(BLANKS))
def test_every_blank_fills_and_varies(blank: str) -> None:
    rng = Random(1)
    found = {BLANKS[blank](rng) for _ in range(200)}
    assert len(found) > 1
    assert all(found)


@given(st.integers(), st.integers(min_value=0, max_value=300))
def test_recipients_are_different_mobile_numbers(seed: int, count: int) -> None:
    found = phones(Random(seed), count)
    assert len(set(found)) == len(found) == count
    assert all(len(p) == 11 and p.isdecimal() and p.startswith(MOBILE_PREFIXES) for p in found)
