"""What a counter may be keyed by or count distinct values of, and how an event's part of a counter is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def keys_of(counter: Counter, context: Context) -> Sequence[str]:
    """The keys of a counter that an event moves; none if it has, for example, no link."""
    parts = counter.parts
    if len(parts) == 1:
        return PARTS[parts[0]](context)
    combined = product(*(PARTS[part](context) for part in parts))
    return ["|".join(each) for each in islice(combined, MOST_KEYS)]


def amount_of(counter: Counter, context: Context, early: Mapping[str, Any]) -> Amount:
    """What an event adds to a counter. `early` has the value of the signal that the counter sums."""
    event = context.event
    if counter.aggregate == "messages" and isinstance(event, Submission) and "recipient" not in counter.key:
        return len(event.recipients)
    if counter.aggregate == "sequence":
        return tuple([int(each) for each in PARTS["recipient"](context) if len(each) <= _LONGEST])
    if counter.aggregate == "cuts":
        return passages(event.content)
    if counter.aggregate == "distinct" and counter.of is not None:
        return tuple([_number_of(each) for each in PARTS[counter.of](context)])
    if counter.aggregate == "sum" and counter.of is not None:
        return int(early[counter.of])
    return 1


@lru_cache(10_000)
def _number_of(value: str) -> int:
    """The number that stands for a value, such as a port, in a window."""
    return xxh3_64_intdigest(value.encode())
