"""The longest prefix decides, whatever else fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.prefixes import LongestPrefix

DIGITS = st.text("12", max_size=6)


def test_the_longest_prefix_wins() -> None:
    ports = LongestPrefix({"1069": "head office", "106900": "branch"})
    assert [ports.find(sender) for sender in ("1069", "10690", "106900", "10690055")] == [
        "head office",
        "head office",
        "branch",
        "branch",
    ]


def test_a_text_shorter_than_every_prefix_or_beside_them_finds_nothing() -> None:
    ports = LongestPrefix({"1069": "port"})
    assert [ports.find(sender) for sender in ("", "106", "1068", "21069")] == [None] * 4
    assert LongestPrefix[str]({}).find("1069") is None


@given(st.sets(DIGITS), DIGITS)
def test_it_finds_what_looking_at_every_prefix_finds(prefixes: set[str], text: str) -> None:
    fitting = [prefix for prefix in prefixes if text.startswith(prefix)]
    found = LongestPrefix({prefix: (prefix,) for prefix in prefixes}).find(text)
    assert found == ((max(fitting, key=len),) if fitting else None)
