"""Regular expressions of a dictionary, matched by Hyperscan in linear time for every pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from threading import Lock

import hyperscan

from pipeline.errors import AntispamError

_FLAGS = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SOM_LEFTMOST
MAX_FINDS = 1000  # matches reported for one text; a pattern that matches everywhere is no evidence
# Hyperscan has no time limit for compiling: 99 nested repeated groups take minutes and 37 letter classes take seconds,
# only to be refused. So patterns are limited before compiling.
MAX_GROUPS = 12  # levels of nested groups
MAX_REPEATS = 1_000  # product of all counted repetitions
MAX_CLASSES = 10  # uses of Unicode properties such as \p{Han}
_PIECE = re.compile(r"\\[pP]|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}|[()]", re.DOTALL)


def check_pattern(pattern: str) -> None:
    """Raises AntispamError for a pattern that is too slow to compile, or with Hyperscan's message if it refuses it."""
    _bounded(pattern)
    info = hyperscan.Database()
    try:
        info.compile(expressions=[pattern.encode()], ids=[0], elements=1, flags=[_FLAGS])
    except hyperscan.error as error:
        raise AntispamError(f"pattern {pattern[:60]!r}: {error}") from None


def _bounded(pattern: str) -> None:
    depth = classes = 0
    repeats = 1
    for piece in _PIECE.finditer(pattern):
        found = piece[0]
        depth += (found == "(") - (found == ")")
        classes += found.lower() == "\\p" or (found[0] == "[" and len(re.findall(r"\\[pP]", found)))
        if found[0] == "{":
            repeats *= max(1, *map(int, re.findall(r"\d{1,9}", found)))
        if depth > MAX_GROUPS:
            raise AntispamError(f"character {piece.start() + 1} of the pattern: groups more than {MAX_GROUPS} deep")
        if repeats > MAX_REPEATS:
            raise AntispamError(f"character {piece.start() + 1} of the pattern: more than {MAX_REPEATS} repetitions")
        if classes > MAX_CLASSES:
            raise AntispamError(f"character {piece.start() + 1} of the pattern: more than {MAX_CLASSES} \\p classes")


class WordPatterns:
    """Patterns compiled together. Thread-safe; one text is searched at a time."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._lock = Lock()  # Hyperscan's scratch space serves one scan at a time
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[pattern.encode() for pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[_FLAGS] * len(patterns),
        )

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """(pattern, start, end) of each match in code points; of matches with equal start, the longest."""
        data = text.encode("utf-8", "replace")
        longest: dict[tuple[int, int], int] = {}
        left = MAX_FINDS

        def found(pattern: int, start: int, end: int, _flags: int, _context: object) -> bool:
            nonlocal left
            left -= 1
            longest[pattern, start] = max(end, longest.get((pattern, start), 0))
            return left <= 0

        with self._lock:
            try:
                self._database.scan(data, match_event_handler=found)
            except hyperscan.ScanTerminated:
                left = 0
        return [
            (pattern, len(data[:start].decode()), len(data[:end].decode())) for (pattern, start), end in longest.items()
        ]
