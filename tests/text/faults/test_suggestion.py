"""The nearest known name, or all of them."""

from __future__ import annotations

import pytest

from pipeline.text.faults.suggestion import suggestion


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("reveiw", ["review", "reject"], "did you mean 'review'?"),
        ("agreed", ["consent", "refused"], "one of consent, refused"),
        ("", ["a", "b"], "one of a, b"),
        ("mesage_count", [f"signal_{n}" for n in range(40)] + ["messages"], "did you mean 'messages'?"),
        ("x" * 100_000, ["review"], "one of review"),
    ],
)
def test_a_near_name_is_suggested_and_a_far_one_is_not(word: str, known: list[str], said: str) -> None:
    assert suggestion(word, known) == said
