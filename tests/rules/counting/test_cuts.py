"""Cuts: who halves a refused text is found, and who corrects it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.counting.cuts import KEPT, by_length, cuts
from pipeline.rules.policies.policy import parse_policy
from tests.harness.screening_events import config, decide, submission
from tests.rules.counting.refused_senders import KINDS, SENDERS, counts, passages_of

TEXT = "新推出青屿秒贷业务，仅需身份证即可办理，最快十分钟到账，额度高达二十万元，详情请咨询当地网点工作人员"
POLICY = """\
counters:
  - {name: tried, event: submission, key: [port], window: 1h, where: messages == 2, aggregate: cuts, description: tried}
rules:
  - {id: probing, event: submission, description: "{tried}", when: tried > 1, verdict: review}
"""
TWO = ("13800000001", "13800000002")


@pytest.mark.long
def test_who_halves_is_found_and_who_corrects_is_not() -> None:
    """The table of docs/policy-guide.md."""
    found = {name: number / SENDERS for name, (number, _) in counts().items()}
    honest = {kind.name: found[kind.name] for kind in KINDS if not kind.probes}
    hard = honest.pop("sends 30 texts with one greeting and ending, 10 refused")
    assert (set(honest.values()), hard <= 0.1) == ({0.0}, True)
    for name in ("halves anywhere", "halves between sentences", "halves, and sends five other texts after each try"):
        assert found[name] >= 0.9


def test_disguises_marks_and_signatures_do_not_change_a_passage() -> None:
    written = "【青屿】" + TEXT.replace("，", " ！").replace("秒", "秒\u200b").replace("贷", "貸")
    assert passages_of(written) == passages_of(TEXT)
    assert len(passages_of(TEXT)) == KEPT


@pytest.mark.parametrize("text", ["", "短", "七个字的短信息", "😀" * 50, "\ud800" * 3])
def test_a_text_of_fewer_than_eight_letters_has_no_passages(text: str) -> None:
    assert passages_of(text) == ()
    assert cuts((), by_length(passages_of(TEXT))) == 0


@given(st.lists(st.text(max_size=200), max_size=8), st.text(max_size=200))
def test_a_text_is_the_shortest_of_its_tries(seen: list[str], text: str) -> None:
    """Equal and shorter texts never count, and neither does the order of the others."""
    own, known = passages_of(text), [each for other in seen for each in passages_of(other)]
    size = own[0] & 31 if own else 0
    value = cuts(own, by_length(known))
    longer = [each for each in known if each & 31 > size]
    assert value == cuts(own, by_length(known[::-1])) == cuts(own, by_length(longer))
    assert value <= 1 + len({each & 31 for each in known})
    assert (value > 0) == bool(own)


def test_a_text_that_is_not_counted_sees_those_that_are_and_leaves_no_trace() -> None:
    known, state = config(policy=parse_policy(POLICY)), MemoryCounters()
    half, quarter = TEXT[:26], TEXT[:13]
    assert decide(submission(half), known, state).counters == {}  # nothing is counted yet
    assert decide(submission(TEXT, recipients=TWO), known, state).counters == {"tried": 1}
    assert decide(submission(half), known, state).counters == {"tried": 2}
    assert decide(submission(quarter), known, state).counters == {"tried": 2}  # the half was not counted
    assert decide(submission(half, recipients=TWO), known, state).counters == {"tried": 2}
    assert decide(submission(quarter), known, state).counters == {"tried": 3}
    assert decide(submission("您的快递已放在小区门岗请及时领取"), known, state).counters == {}
    assert decide(submission(quarter, at=submission().accepted_at + 2 * 3_600_000), known, state).counters == {}


def test_cuts_are_counted_where_the_event_is_decided() -> None:
    with pytest.raises(AntispamError, match="a counter of cuts has one of port, sender in its key"):
        parse_policy(POLICY.replace("key: [port]", "key: [enterprise]"))
