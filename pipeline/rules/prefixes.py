"""Look-up by longest prefix: ports by service code, carriers by number segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class LongestPrefix(Generic[T]):
    """Immutable values by prefix. A look-up tries each length of the known prefixes, the longest first."""

    __slots__ = ("_lengths", "_values")

    def __init__(self, values: Mapping[str, T]) -> None:
        self._values = values
        self._lengths = tuple(sorted({len(prefix) for prefix in self._values}, reverse=True))

    def find(self, text: str) -> T | None:
        """The value of the longest known prefix of `text`; None if it has no known prefix."""
        values = self._values
        for length in self._lengths:
            value = values.get(text[:length])
            if value is not None:
                return value
        return None
