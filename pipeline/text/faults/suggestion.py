"""What an error says about a name that is not known: the nearest known name, or all of them."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

FEW = 20
_LIKENESS, _LIKENESS_OF_FEW = 0.5, 0.65  # 'agreed' is not 'refused' (0.62), 'frod' is 'fraud' (0.67)
MAX_NAME = 60  # code points of an unknown name that are compared and shown


def suggestion(word: str, known: Collection[str]) -> str:
    """`did you mean 'x'?`, or `one of a, b, c` if no known name is near. Few names are shown rather than guessed."""
    likeness = _LIKENESS if len(known) > FEW else _LIKENESS_OF_FEW
    near = get_close_matches(word[:MAX_NAME], known, n=1, cutoff=likeness)
    return f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}"
