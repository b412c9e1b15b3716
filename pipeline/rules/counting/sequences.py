"""Recipients in sequence: numbers that a sender took from a range and not from a list of people.

A sequence is at least five numbers of one stride, in any order. Up to two numbers between neighbours may be missing,
because senders leave out numbers that do not exist. Other numbers between them do not hide it.

Chance makes sequences too: customers of one town have numbers of few segments. So a sequence counts only if chance
explains it badly (Desolneux, Moisan, Morel: Meaningful Alignments, 2000). We assume that every number is drawn at
random from its segment of 10,000 and estimate how many sequences of that length and stride would appear. The stride d
gets the share 6/(pi*d)^2 of the false alarms, so a wide stride needs a longer sequence. All strides together give
less than one false alarm in `1 / CHANCE` sets of numbers.

The least length is a choice: relatives and couples buy up to four neighbouring numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log, pi
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 5  # numbers of a sequence
SPAN = 3  # strides between two neighbours, at most
CHANCE = 1e-3  # expected false alarms in one set of random numbers
SEGMENT = 10_000  # numbers with the same first 7 digits of 11; one town and carrier has them
DENSEST = 0.9  # probability of a neighbour by chance, at most: a segment that is full counts as a sequence
NEIGHBOURS = 3  # strides are differences from the next numbers: up to two others may lie between
STRIDES = 8  # the most frequent differences are examined
_LONGEST = 18  # digits of a number in 64 bits

_Numbers = npt.NDArray[np.int64]
_Values = npt.NDArray[np.float64]
_SEGMENT_DIGITS = 7


def in_sequence(recipients: Sequence[str]) -> int:
    """How many of the recipients (digits) belong to a sequence; 0 if none.

    O(n log n) for n recipients. Neither order nor repetition matters.
    """
    if len(recipients) < LEAST:
        return 0
    distinct = {int(each) for each in recipients if len(each) <= _LONGEST}
    if len(distinct) < LEAST:
        return 0
    numbers = np.array(sorted(distinct), dtype=np.int64)
    strides = _strides(numbers)
    if not strides:
        return 0
    neighbour = _chance_of_a_neighbour(numbers)
    found = np.zeros(len(numbers), dtype=bool)
    for stride in strides:
        found |= _of_stride(numbers, stride, neighbour)
    return int(found.sum())


def sequence_through(members: Iterable[int], numbers: Mapping[int, Any]) -> int:
    """The length of the longest sequence in `numbers` with one of the members; 0 if none.

    The keys of `numbers` are the distinct numbers. The cost grows with their count, so windows bound it.
    """
    if len(numbers) < LEAST:
        return 0
    ordered = sorted(numbers)
    found: set[int] = set()
    longest = 0
    for member in sorted(numbers.keys() & members):
        if member not in found:
            sequence = _longest_with(member, ordered, numbers)
            longest = max(longest, len(sequence))
            found.update(sequence)
    return longest


def commonest_segment(recipients: Sequence[str]) -> float:
    """The share of the recipients that have the commonest first 7 digits."""
    if len(recipients) == 1:
        return 1.0
    segments = Counter([each[:_SEGMENT_DIGITS] for each in recipients])
    return max(segments.values()) / len(recipients)


def share_without_mobile(recipients: Sequence[str]) -> float:
    """The share of the recipients (canonical form) that are no mainland mobile numbers: foreign, fixed, codes."""
    others = 0
    for each in recipients:
        if len(each) != 11 or not "13" <= each[:2] <= "19":
            others += 1
    return others / len(recipients)


def _longest_with(number: int, ordered: list[int], numbers: Mapping[int, Any]) -> list[int]:
    """The members of the longest sequence with this number; `ordered` are the sorted keys of `numbers`."""
    at = bisect_left(ordered, number)
    near = ordered[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1]
    longest: list[int] = []
    for stride in {abs(number - other) for other in near if other != number}:
        sequence = [number, *_walk(number, stride, numbers), *_walk(number, -stride, numbers)]
        if len(sequence) > max(len(longest), LEAST - 1):
            segment = number - number % SEGMENT
            density = (bisect_left(ordered, segment + SEGMENT) - bisect_left(ordered, segment)) / SEGMENT
            neighbour = log(min(DENSEST, 1 - (1 - density) ** SPAN))
            if (len(sequence) - 1) * neighbour < _allowed(len(ordered), stride):
                longest = sequence
    return longest


def _walk(number: int, step: int, numbers: Mapping[int, Any]) -> list[int]:
    """The numbers that follow `number`, each 1 to 3 (SPAN) times `step` after the one before."""
    found: list[int] = []
    one, two, three = step, 2 * step, 3 * step
    while True:
        if number + one in numbers:
            number += one
        elif number + two in numbers:
            number += two
        elif number + three in numbers:
            number += three
        else:
            return found
        found.append(number)


def _allowed(count: int, stride: int) -> float:
    """The log probability below which chance does not explain a sequence of this stride among `count` numbers."""
    return log(CHANCE * 6 / (pi * stride) ** 2 / count)


def _strides(numbers: _Numbers) -> list[int]:
    """The differences between near numbers that occur most often, at least twice."""
    steps = [numbers[k:] - numbers[:-k] for k in range(1, min(NEIGHBOURS + 1, len(numbers)))]
    differences, counts = np.unique(np.concatenate(steps), return_counts=True)
    repeated = counts > 1
    differences, counts = differences[repeated], counts[repeated]
    order = np.argsort(-counts, kind="stable")[:STRIDES]
    return [int(each) for each in differences[order]]


def _chance_of_a_neighbour(numbers: _Numbers) -> _Values:
    """For each number the log probability that a random number of its segment has one before it within SPAN strides."""
    _, where, counts = np.unique(numbers // SEGMENT, return_inverse=True, return_counts=True)
    chance = np.minimum(DENSEST, 1 - (1 - counts / SEGMENT) ** SPAN)
    return np.log(chance)[where]


def _of_stride(numbers: _Numbers, stride: int, neighbour: _Values) -> npt.NDArray[np.bool_]:
    """Which numbers (sorted) belong to a sequence of this stride."""
    remainders = numbers % stride
    order = np.argsort(remainders, kind="stable")  # numbers that differ by multiples of the stride become neighbours
    ordered, remainders = numbers[order], remainders[order]
    begins = np.ones(len(numbers), dtype=bool)
    begins[1:] = (np.diff(ordered) > SPAN * stride) | (np.diff(remainders) != 0)
    sequence = np.cumsum(begins) - 1
    lengths = np.bincount(sequence)
    chances = np.bincount(sequence, weights=np.where(begins, 0.0, neighbour[order]))
    counts = (lengths >= LEAST) & (chances < _allowed(len(numbers), stride))
    found = np.zeros(len(numbers), dtype=bool)
    found[order] = counts[sequence]
    return found
