"""What a text is reduced to must not depend on its batch, nor its meaning on a disguise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import features

hostile = st.text(st.characters(exclude_categories=()), max_size=60)
MEANT = 1 << features.READING_BITS  # buckets from here on are of the reading as meant,
WORDS = 2 << features.READING_BITS  # and from here on words


def bag(text: str) -> list[int]:
    """The buckets of one text alone."""
    return [int(bucket) for bucket in features.grams([text]).buckets]


def meant(text: str) -> list[int]:
    return [bucket for bucket in bag(text) if MEANT <= bucket < WORDS]


def words(text: str) -> list[int]:
    return [bucket for bucket in bag(text) if bucket >= WORDS]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("免费 领取！", "免费领取"),
        ("免\u200b费领，取", "免费领取"),
        ("ＦＲＥＥ Money", "free money"),
        ("call 0900 now", "call 12 now"),
        ("𝐟𝐫𝐞𝐞 money", "free money"),
        ("fr.ee m-o_ney", "free money"),
        ("fr33 m0ney", "free money"),
        ("f r e e money", "freemoney"),
        ("代开发漂", "代开发票"),
        ("代kai发票", "代开发票"),
        ("代開發票", "代开发票"),
    ],
)
def test_a_disguise_changes_how_it_is_written_not_what_is_meant(one: str, other: str) -> None:
    assert meant(one) == meant(other)
    assert bag(one) != bag(other)


@pytest.mark.parametrize(
    "text", ["Ｃｌａｉｍ ＹＯＵＲ prize", "сlaim, y\u200bour prize!", "claim\nyour (prize)", "c l a i m your prize"]
)
def test_words_are_read_in_any_dress(text: str) -> None:
    assert words(text) == words("claim your prize")


def test_words_are_counted_alone_and_in_pairs() -> None:
    assert len(words("claim your prize")) == 3 + 2
    assert words("code 123456") == words("code 987654") != words("code 1234")
    assert words("your prize") != words("prize your")
    assert words("claim") == words("我claim你")
    assert words("代开发票") == []


def test_a_long_number_weighs_the_same_whatever_its_digits() -> None:
    assert bag("call 07700900123 now") == bag("call 15105550123 now")
    assert bag("call 95588 now") != bag("call 95533 now")


def test_invisible_characters_leave_no_trace() -> None:
    assert bag("fr\u200bee mo\u2060ney") == bag("free money")


def test_a_link_to_an_own_domain_is_allowed_for() -> None:
    texts = ["see www.gov.uk/a", "see www.gov.uk.top/a", "see www.gov.uk/a or a-b.top", "see you"]
    assert (features.allowances(texts) > 0).tolist() == [True, False, False, False]


def test_a_gram_counts_once_however_often_it_stands() -> None:
    assert bag("发票发票发票") == bag("发票发票")


@given(st.lists(hostile, min_size=1, max_size=8))
def test_the_batch_never_changes_a_text(texts: list[str]) -> None:
    together = features.grams(texts)
    for number, text in enumerate(texts):
        alone = features.grams([text])
        assert (
            alone.buckets.tolist() == together.buckets[together.starts[number] : together.starts[number + 1]].tolist()
        )
        assert (alone.scripts[0], alone.silent[0]) == (together.scripts[number], together.silent[number])


@given(hostile)
def test_every_gram_has_its_places_in_the_text(text: str) -> None:
    spans = features.gram_spans(text)
    assert np.unique(spans.buckets).tolist() == bag(text)
    assert (spans.begins >= 0).all()
    assert (spans.begins <= spans.ends).all()
    assert (spans.ends <= len(text)).all()


@pytest.mark.parametrize(
    ("text", "script"),
    [("加微信 abc123 领取", "zh"), ("see you at 7, 王", "en"), ("Ваш код 1234", "other"), ("12345", "en"), ("", "en")],
)
def test_the_script_is_whose_letters_carry_most_of_a_text(text: str, script: str) -> None:
    assert features.SCRIPTS[features.scripts([text])[0]] == script


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    assert bag("好" * 100_000) == bag("好" * features.MAX_CHARS)


def test_an_empty_batch_has_no_grams() -> None:
    assert len(features.grams([]).counts) == 0
