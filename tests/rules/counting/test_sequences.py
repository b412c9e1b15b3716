"""Recipients in sequence: found in any order and among others; people's numbers are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.counting.sequences import commonest_segment, in_sequence, sequence_through, share_without_mobile
from pipeline.rules.policies.policy import parse_policy
from tests.harness.screening_events import config, decide, submission
from tests.rules.counting.synthetic_senders import Found, found_by_kind, precision_and_recall

START = 13_800_001_000


def said(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return found_by_kind()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("over_time", [False, True])
def test_ranges_are_found_and_people_are_not(found: list[Found], over_time: bool) -> None:
    assert sum(each.senders for each in found) == 10_000
    precision, recall = precision_and_recall(found, over_time=over_time)
    assert precision >= 0.99
    assert recall >= 0.97


@pytest.mark.parametrize("stride", [1, 2, 7, 100, 10_000, 123_456])
def test_five_of_one_stride_are_a_sequence_and_four_are_not(stride: int) -> None:
    numbers = [START + stride * i for i in range(10)]
    assert in_sequence(said(numbers[:4])) == 0
    assert in_sequence(said(numbers)) == 10
    assert sequence_through([numbers[3]], dict.fromkeys(numbers)) == 10
    assert sequence_through([numbers[3]], dict.fromkeys(numbers[:4])) == 0


def test_only_the_members_are_counted() -> None:
    numbers = [START + i for i in range(20)] + [13_912_345_678, 15_000_008_123, 18_611_119_999]
    assert in_sequence(said(numbers)) == 20
    assert sequence_through([13_912_345_678], dict.fromkeys(numbers)) == 0


def test_two_missing_numbers_do_not_end_a_sequence_and_three_do() -> None:
    numbers = [START + i for i in (0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13)]
    assert sequence_through([START], dict.fromkeys(numbers)) == 12
    apart = [START + i for i in (0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14)]
    assert sequence_through([START], dict.fromkeys(apart)) == 6


def test_a_segment_that_is_nearly_full_has_neighbours_by_chance() -> None:
    """Every second number of a segment at random, as when a carrier writes to its customers."""
    drawn = random.Random(1).sample(range(START, START + 9_000), 4_500)
    assert in_sequence(said(drawn)) < len(drawn) / 100
    assert in_sequence(said([START + i for i in range(9_000)])) == 9_000


NUMBERS = st.lists(st.integers(START, START + 300), min_size=1, max_size=60)


@given(NUMBERS.flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))))
@pytest.mark.long
def test_neither_order_nor_repetition_matters(both: tuple[list[int], list[int]]) -> None:
    assert in_sequence(said(both[0])) == in_sequence(said(both[1] + both[1]))


def test_shares_of_segments_and_of_other_numbers() -> None:
    people = ["13800001111", "13800012222", "13800012333", "13900002222"]
    assert commonest_segment(people) == 0.5
    assert commonest_segment(people[:1]) == 1.0
    assert share_without_mobile(people) == 0.0
    assert share_without_mobile([*people[:2], "4471234567890", "01062345678"]) == 0.5
    assert share_without_mobile(["10690001234"]) == 1.0


def test_a_number_too_long_for_a_sequence_is_left_out() -> None:
    assert in_sequence([*said([START + i for i in range(5)]), "9" * 21]) == 5


def test_a_rule_reads_them() -> None:
    rule = """\
rules:
  - {id: r, event: submission, description: "{recipients_in_sequence}, {recipients_one_segment}, {recipients_invalid}",
     when: recipients_in_sequence >= 10 && recipients_one_segment > 0.9 && recipients_invalid < 0.1, verdict: review}
"""
    using = config(policy=parse_policy(rule))
    in_a_row = submission(recipients=tuple(said([START + i for i in range(10)])))
    assert decide(in_a_row, using).reasons[0].message == "10, 1.000, 0.000"
    assert decide(submission(recipients=tuple(said([START + i * i * 1_001 for i in range(10)]))), using).reasons == ()
