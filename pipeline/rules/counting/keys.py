"""What a counter may be keyed by or count distinct values of, and how an event's part of a counter is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from typing import Any

from xxhash import xxh3_64_intdigest

from pipeline.events import Submission
from pipeline.rules.context import Context
from pipeline.rules.counting.counters import Amount, Counter
from pipeline.rules.counting.cuts import passages

# An event has several recipients, domains or links: it moves the counter of each.
PARTS: dict[str, Callable[[Context], tuple[str, ...]]] = {
    "port": lambda c: (c.port.code if c.port else c.event.port,),
    "sender": lambda c: (c.event.port if isinstance(c.event, Submission) else c.event.sender,),
    "recipient": lambda c: c.event.recipients if isinstance(c.event, Submission) else (c.event.recipient,),
    "enterprise": lambda c: (c.port.entry.enterprise,) if c.port and c.port.entry.enterprise else (),
    "fingerprint": lambda c: (c.facts.fingerprint,),
    "campaign": lambda c: (c.facts.campaign.id,) if c.facts.campaign else (),
    "signature": lambda c: tuple(dict.fromkeys(each.name for each in c.facts.signatures)),
    "domain": lambda c: tuple(dict.fromkeys(each.domain for each in c.facts.links)),
    "link": lambda c: tuple(dict.fromkeys(each.key for each in c.facts.links)),
    "contact": lambda c: tuple(dict.fromkeys(each.key for each in c.facts.contacts)),
}
MOST_KEYS = 40_000  # of one event; `max_recipients` has the same bound
_LONGEST = 18  # digits of a number in 64 bits


@dataclass(frozen=True, slots=True)
class Move:
    """How an event moves a counter: `keys` are none if it has, for example, no link."""

    counter: Counter
    keys: Callable[[Context], Sequence[str]]
    amount: Callable[[Context], Amount]


def move_of(counter: Counter, summed: Callable[[Context], Any] | None = None) -> Move:
    """The move of a counter. `summed` reads the signal that it sums, if it sums one."""
    return Move(counter, _keys(counter), _amount(counter, summed))


def _keys(counter: Counter) -> Callable[[Context], Sequence[str]]:
    first, *others = [PARTS[part] for part in counter.parts]
    if not others:
        return first

    def combined(context: Context) -> Sequence[str]:
        parts = [first(context)]
        each_has_one = len(parts[0]) == 1  # as most events do
        for read in others:
            part = read(context)
            parts.append(part)
            each_has_one = each_has_one and len(part) == 1
        if each_has_one:
            return ("|".join([part[0] for part in parts]),)
        return ["|".join(each) for each in islice(product(*parts), MOST_KEYS)]

    return combined


def _amount(counter: Counter, summed: Callable[[Context], Any] | None) -> Callable[[Context], Amount]:
    of = counter.of
    if counter.aggregate == "messages" and counter.on == "submission" and "recipient" not in counter.key:
        return lambda c: len(c.event.recipients)
    if counter.aggregate == "sequence":
        recipients = PARTS["recipient"]
        return lambda c: tuple([int(each) for each in recipients(c) if len(each) <= _LONGEST])
    if counter.aggregate == "cuts":
        return lambda c: passages(c.facts.folded)
    if counter.aggregate == "distinct" and of is not None:
        values = PARTS[of]
        return lambda c: tuple(map(_number_of, values(c)))
    if summed is not None:
        return lambda c: int(summed(c))
    return lambda _: 1


@lru_cache(10_000)
def _number_of(value: str) -> int:
    """The number that stands for a value, such as a port, in a window."""
    return xxh3_64_intdigest(value.encode())
