"""What a text is reduced to must not depend on its batch, nor on marks that say nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import features

hostile = st.text(st.characters(exclude_categories=()), max_size=60)


def bag(text: str) -> list[list[int]]:
    """Sorted buckets of each gram length of one text alone."""
    return [sorted(b[b != features.NONE].tolist()) for b in features.grams([text]).buckets]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("免费 领取！", "免费领取"),
        ("免\u200b费领，取", "免费领取"),
        ("ＦＲＥＥ Money", "free money"),
        ("call 0900 now", "call 12 now"),
        ("𝐟𝐫𝐞𝐞 money", "free money"),
        ("free,  money", "free money"),
    ],
)
def test_marks_that_say_nothing_are_taken_away(one: str, other: str) -> None:
    assert bag(one) == bag(other)


def test_latin_words_stay_apart() -> None:
    assert bag("the rapist") != bag("therapist")


def test_longer_grams_come_from_latin_only() -> None:
    assert [len(found) for found in bag("发票")] == [2, 1, 0, 0]
    assert [len(found) for found in bag("abcd")] == [4, 5, 4, 3]  # bigrams on see the word's borders


@given(st.lists(hostile, min_size=1, max_size=8))
def test_the_batch_never_changes_a_text(texts: list[str]) -> None:
    together = features.grams(texts)
    borders = np.append(together.starts, len(together.buckets[0]))
    for number, text in enumerate(texts):
        alone = features.grams([text])
        assert alone.counts[0] == together.counts[number]
        for one, all_of_them in zip(alone.buckets, together.buckets, strict=True):
            assert one.tolist() == all_of_them[borders[number] : borders[number + 1]].tolist()


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    assert bag("好" * 100_000) == bag("好" * features.MAX_CHARS)


def test_an_empty_batch_has_no_grams() -> None:
    assert len(features.grams([]).counts) == 0
