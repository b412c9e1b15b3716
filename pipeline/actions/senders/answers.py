"""What a carrier's refusals mean: the channel's own table before the protocol's.

```yaml
answers:
  8: pause        # pause the link, then send this part first
  3: retry        # send this part again after some seconds, `tries` times at most
  100-199: next   # another channel may take it
  13: final       # refused for good
```

A result that no table has is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pipeline.errors import AntispamError

MOST_RESULT = 0xFFFF


class Meaning(StrEnum):
    """What a carrier's refusal of a SUBMIT means for the part."""

    PAUSE = "pause"  # the link is too fast: all its parts wait, then this part goes first
    RETRY = "retry"  # this part only, some seconds later
    NEXT = "next"  # not over this channel: another may take it
    FINAL = "final"  # nobody will take it


class Answers:
    """The two tables; `own` has results or ranges of them, decimal or hex. Raises AntispamError for another key."""

    def __init__(self, own: Mapping[int | str, Meaning], common: Mapping[int, Meaning]) -> None:
        self._own = [(*results(str(key)), meaning) for key, meaning in own.items()]
        self._common = common

    def meaning(self, result: int) -> Meaning:
        """What this result means."""
        for first, last, meaning in self._own:
            if first <= result <= last:
                return meaning
        return self._common.get(result, Meaning.FINAL)


def results(key: str) -> tuple[int, int]:
    """The first and last result of a key: `8`, `0x58`, `100-199`. Raises AntispamError."""
    first, dash, last = key.partition("-")
    try:
        low, high = int(first, 0), int(last if dash else first, 0)
    except ValueError:
        raise AntispamError(f"answers: {key!r} is not a result or a range of results") from None
    if not 1 <= low <= high <= MOST_RESULT:
        raise AntispamError(f"answers: {key!r}: results from 1 to {MOST_RESULT} expected, the smaller one first")
    return low, high
