"""The place of a brand's name in a text, as the sentences are compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sureness = Literal["sure", "beside", "perhaps"]


@dataclass(frozen=True, slots=True)
class Said:
    """The text in normal form, and what stands right before and right behind the name.

    `at_start`: only a signature, signs or a greeting stand before the name. `near_end`: `behind` reaches the end of the
    text. `dashed`: a dash stood before the name; the normal form has none between Chinese characters.
    """

    text: str
    before: str
    behind: str
    at_start: bool
    near_end: bool
    dashed: bool
