"""The compact map of a list's numbers answers as a dict does, through all changes, and takes few bytes a number."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.expiry import NEVER
from pipeline.rules.listed_numbers import LEAF, Gathering, ListedNumbers, Mark

NUMBERS = st.one_of(
    st.integers(13_000_000_000, 19_999_999_999).map(str),
    st.integers(13_800_000_000, 13_800_000_050).map(str),  # close to each other: changes meet
    st.from_regex(r"[0-9]{1,21}", fullmatch=True),
    st.text(max_size=22),  # lists published long ago may hold anything
)
MARKS = st.builds(Mark, st.sampled_from(["", "asked", "court order"]), st.sampled_from([0, 5, NEVER]))


def gathered(entries: list[tuple[str, Mark]]) -> ListedNumbers:
    gathering = Gathering()
    for value, mark in entries:
        gathering.add(value, mark)
    return gathering.numbers()


@given(st.lists(st.tuples(NUMBERS, MARKS), max_size=60), st.lists(NUMBERS, max_size=20))
def test_it_answers_as_a_dict(entries: list[tuple[str, Mark]], others: list[str]) -> None:
    expected = dict(sorted(entries, key=lambda entry: entry[1].expires))
    numbers = gathered(entries)
    assert bool(numbers) is bool(expected)
    for value in (*expected, *others):
        assert numbers.get(value) == expected.get(value)


@given(st.lists(st.dictionaries(NUMBERS, st.none() | MARKS, max_size=30), max_size=6))
def test_changes_leave_earlier_snapshots_alone(publications: list[dict[str, Mark | None]]) -> None:
    numbers, expected = ListedNumbers(), dict[str, Mark]()
    snapshots = [(numbers, dict(expected))]
    for changes in publications:
        numbers = numbers.replaced(changes)
        expected = {key: mark for key, mark in (expected | changes).items() if mark is not None}
        snapshots.append((numbers, expected))
    values = {value for changes in publications for value in changes}
    for numbers, expected in snapshots:
        assert bool(numbers) is bool(expected)
        assert {value: mark for value in values if (mark := numbers.get(value)) is not None} == expected


@pytest.mark.long
def test_single_changes_fill_and_empty_many_leaves() -> None:
    numbers, known = ListedNumbers(), dict[str, Mark]()
    for n in range(2 * LEAF + 1):
        value = str(13_000_000_000 + n * 7_919_317 % 6_999_999_989)
        known[value] = Mark("asked", n)
        numbers = numbers.replaced({value: known[value]})
    assert {value: numbers.get(value) for value in known} == known
    for value in known:
        numbers = numbers.replaced({value: None})
    assert not numbers


@pytest.mark.long
def test_a_number_takes_few_bytes() -> None:
    def numbers(count: int) -> ListedNumbers:
        gathering, marks = Gathering(), [Mark("complained", NEVER), Mark("court order", 1_900_000_000_000)]
        for n in range(count):
            gathering.add(str(13_000_000_000 + n * 7_919_317 % 6_999_999_989), marks[n % 2])
        return gathering.numbers()

    numbers(10)  # what is imported at the first use does not count
    gc.collect()
    tracemalloc.start()
    kept = numbers(40_000)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.get("13000000000") == Mark("complained", NEVER)
    assert size / 40_000 < 6  # ten million of them in 60 MB
