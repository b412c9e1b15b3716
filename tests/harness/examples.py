"""How many examples Hypothesis invents for a property: all in the whole suite, fewer in its quick part."""

from __future__ import annotations

import hypothesis

WHOLE = 100  # examples of a property that names no number
QUICK = 20  # the same with `--hypothesis-profile quick`, for the inner loop


def register_profiles() -> None:
    """How long an example takes is the machine's business, and it may have other things to do: no deadline."""
    hypothesis.settings.register_profile("whole", deadline=None, max_examples=WHOLE)
    hypothesis.settings.register_profile("quick", deadline=None, max_examples=QUICK)
    hypothesis.settings.load_profile("whole")


def examples(count: int) -> int:
    """`count` examples in the whole suite, and the quick part's share of them."""
    return count * hypothesis.settings().max_examples // WHOLE
