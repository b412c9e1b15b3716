"""Senders of twelve kinds with invented recipients, for the precision and recall of sequences.

    python -m tests.rules.counting.synthetic_senders

prints the table of docs/policy-guide.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.rules.counting.sequences import in_sequence, sequence_through

SENDERS = 10_000
SEED = 20261129
FOUND_FROM = 10  # recipients in sequence, as in the shipped rules

Recipients = list[int]
Draw = Callable[[random.Random], Recipients]


def _segments(rng: random.Random, count: int) -> list[int]:
    """Segments of 10,000 mobile numbers each."""
    return [rng.randrange(130_0000, 200_0000) * 10_000 for _ in range(count)]


def _people(rng: random.Random, count: int, segments: list[int]) -> Recipients:
    return [rng.choice(segments) + rng.randrange(10_000) for _ in range(count)]


def _range(rng: random.Random, count: int, stride: int) -> Recipients:
    start = _segments(rng, 1)[0] + rng.randrange(10_000)
    return [start + stride * i for i in range(count)]


def _shuffled(rng: random.Random, numbers: Recipients) -> Recipients:
    rng.shuffle(numbers)
    return numbers


def _consecutive(rng: random.Random) -> Recipients:
    return _range(rng, rng.randint(15, 100), 1)


def _consecutive_shuffled(rng: random.Random) -> Recipients:
    return _shuffled(rng, _consecutive(rng))


def _stride(rng: random.Random) -> Recipients:
    return _shuffled(rng, _range(rng, rng.randint(15, 100), rng.randint(2, 100)))


def _wide_stride(rng: random.Random) -> Recipients:
    return _shuffled(rng, _range(rng, rng.randint(15, 100), rng.choice([500, 1000, 1111, 10_000, 12_345, 100_000])))


def _noise(rng: random.Random) -> Recipients:
    """A range, and half as many numbers of people in its segment."""
    count = rng.randint(20, 66)
    numbers = _range(rng, count, rng.choice([1, 2, 5, 10]))
    return _shuffled(rng, numbers + _people(rng, count // 2, [numbers[0] - numbers[0] % 10_000]))


def _two_strides(rng: random.Random) -> Recipients:
    """Two ranges of different strides that overlap."""
    count, (one, two) = rng.randint(12, 50), rng.sample(range(1, 20), 2)
    numbers = _range(rng, count, one)
    return _shuffled(rng, numbers + [numbers[0] + rng.randrange(20) + two * i for i in range(count)])


def _thinned(rng: random.Random) -> Recipients:
    """A range from which the numbers that do not exist, three of ten, were left out."""
    stride = rng.choice([1, 1, 10])
    return _shuffled(rng, [each for each in _range(rng, rng.randint(30, 130), stride) if rng.random() < 0.7])


def _blocks(rng: random.Random) -> Recipients:
    """Short ranges of many segments."""
    return _shuffled(rng, [each for _ in range(rng.randint(2, 8)) for each in _range(rng, rng.randint(8, 15), 1)])


def _random(rng: random.Random) -> Recipients:
    """Customers of a country."""
    return _people(rng, rng.randint(15, 100), _segments(rng, 20_000 // 100))


def _family(rng: random.Random) -> Recipients:
    """Six relatives, of whom up to four bought neighbouring numbers."""
    bought = rng.randint(1, 4)
    return _shuffled(rng, _range(rng, bought, 1) + _people(rng, 6 - bought, _segments(rng, 6)))


def _class(rng: random.Random) -> Recipients:
    """Parents of a class: one town's segments, and couples with neighbouring numbers."""
    numbers = _people(rng, rng.randint(30, 60), _segments(rng, rng.randint(2, 6)))
    return _shuffled(rng, numbers + [each + 1 for each in numbers if rng.random() < 0.1])


def _town(rng: random.Random) -> Recipients:
    """Customers of a small town: a hundred and more in each of its segments."""
    return _people(rng, rng.randint(200, 1_000), _segments(rng, rng.randint(2, 4)))


def _staff(rng: random.Random) -> Recipients:
    """A company's staff: some with numbers that the company bought as one block. Honest, and in sequence."""
    bought = rng.randint(5, 30)
    return _shuffled(rng, _range(rng, bought, 1) + _people(rng, rng.randint(5, 30), _segments(rng, 4)))


@dataclass(frozen=True, slots=True)
class KindOfSender:
    """`expected` is None where the numbers alone do not tell."""

    name: str
    draw: Draw
    expected: bool | None


KINDS = (
    KindOfSender("consecutive", _consecutive, True),
    KindOfSender("consecutive, shuffled", _consecutive_shuffled, True),
    KindOfSender("stride 2 to 100", _stride, True),
    KindOfSender("stride 500 to 100,000", _wide_stride, True),
    KindOfSender("with a third of other numbers", _noise, True),
    KindOfSender("two strides", _two_strides, True),
    KindOfSender("three of ten left out", _thinned, True),
    KindOfSender("blocks of 8 to 15", _blocks, True),
    KindOfSender("customers of a country", _random, False),
    KindOfSender("family of six", _family, False),
    KindOfSender("school class, customers of a town", lambda rng: (_class, _town)[rng.random() < 0.5](rng), False),
    KindOfSender("staff with a bought block", _staff, None),
)


@dataclass(frozen=True, slots=True)
class Found:
    """How many of a kind's senders were found: from all recipients at once, and from one after the other."""

    kind: KindOfSender
    senders: int
    at_once: int
    over_time: int


def found_by_kind(senders: int = SENDERS, seed: int = SEED) -> list[Found]:
    """The same for every run with one seed."""
    rng, found = random.Random(seed), []
    for i, kind in enumerate(KINDS):
        count = senders // len(KINDS) + (i < senders % len(KINDS))
        drawn = [kind.draw(rng) for _ in range(count)]
        at_once = sum(in_sequence([str(each) for each in numbers]) >= FOUND_FROM for numbers in drawn)
        over_time = sum(_found_over_time(numbers) for numbers in drawn)
        found.append(Found(kind, count, at_once, over_time))
    return found


def _found_over_time(numbers: Recipients, kept: int = 100) -> bool:
    """Whether any message continues a sequence that is long enough, with the last `kept` recipients remembered."""
    seen: dict[int, None] = {}
    for each in numbers:
        seen.pop(each, None)
        seen[each] = None
        if len(seen) > kept:
            del seen[next(iter(seen))]
        if sequence_through([each], seen) >= FOUND_FROM:
            return True
    return False


def precision_and_recall(found: list[Found], *, over_time: bool) -> tuple[float, float]:
    """Over all kinds but those whose numbers do not tell."""
    hits, senders = {True: 0, False: 0}, {True: 0, False: 0}
    for each in found:
        if each.kind.expected is not None:
            hits[each.kind.expected] += each.over_time if over_time else each.at_once
            senders[each.kind.expected] += each.senders
    return hits[True] / (hits[True] + hits[False]), hits[True] / senders[True]


def main() -> None:
    """Print the table."""
    found = found_by_kind()
    for each in found:
        print(f"| {each.kind.name} | {each.senders} | {each.at_once} | {each.over_time} |")
    for over_time in (False, True):
        precision, recall = precision_and_recall(found, over_time=over_time)
        print(f"over time: {over_time}, precision {precision:.4f}, recall {recall:.4f}")


if __name__ == "__main__":
    main()
