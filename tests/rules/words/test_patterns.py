"""Patterns say where they match, in code points, and cannot be made to take long."""

import pytest

from pipeline.errors import AntispamError
from pipeline.rules.words.patterns import MAX_FINDS, WordPatterns, check_pattern


def test_places_are_code_points_and_the_longest_end_counts() -> None:
    assert WordPatterns(["微信[0-9]+", "abc"]).find("😀微信123 ABC") == [(0, 1, 6), (1, 7, 10)]


@pytest.mark.parametrize("pattern", ["(", "a*", "[", r"(a)\1"])
def test_a_pattern_that_cannot_run_is_refused(pattern: str) -> None:
    with pytest.raises(AntispamError, match="pattern"):
        check_pattern(pattern)


def test_a_pattern_that_matches_everywhere_is_cut_off() -> None:
    assert len(WordPatterns(["[ab]"]).find("ab" * 5000)) <= MAX_FINDS


def test_one_text_does_not_change_the_next() -> None:
    patterns = WordPatterns(["[ab]"])
    patterns.find("ab" * 5000)
    assert patterns.find("xa") == [(0, 1, 2)]
