"""The conditions of a rule set, asked for one event or for a batch of events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.rules.conditions.cel_engine import cel
from pipeline.rules.conditions.columns import Column, Columns, column_of
from pipeline.rules.conditions.condition import UNANSWERED, compiled
from pipeline.rules.conditions.parser import Node, NotInColumnsError, parse
from pipeline.rules.context import Context
from pipeline.rules.signals import Signal, read

FEWEST = 8  # events of a batch from which columns cost less than CEL event by event: 47 us an event against 55
T = TypeVar("T")
Answer = tuple[list[T], list[T]]  # of the conditions that hold, and of those whose evaluation failed


class Rows:
    """Checked conditions in one CEL program, which is evaluated once an event."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self._all = compiled(list(expressions))
        self._each = [cel.compile(expression) for expression in expressions]

    def answer(self, values: dict[str, Any]) -> Answer[int]:
        """The conditions that hold for these values of signals, and those whose evaluation failed."""
        try:
            return [i for i, holds in enumerate(self._all(values)) if holds is True], []
        except UNANSWERED:
            return self._one_by_one(values)

    def _one_by_one(self, values: dict[str, Any]) -> Answer[int]:
        held, failed = [], []
        for i, program in enumerate(self._each):
            try:
                if program.execute(values) is True:
                    held.append(i)
            except UNANSWERED:
                failed.append(i)
        return held, failed


class Conditions(Generic[T]):
    """Checked conditions of `subjects` (rules, counters). An answer has the subjects whose condition holds, and those
    whose evaluation failed.

    A condition that columns do not evaluate is evaluated by CEL, event by event.
    """

    def __init__(self, subjects: Sequence[T], expressions: Sequence[str], known: Mapping[str, Signal]) -> None:
        types = {name: signal.type for name, signal in known.items()}
        self._subjects = subjects
        self._rows = Rows(expressions)
        self._signals = _signals(expressions, known)
        parsed: dict[int, Node] = {}
        for i, expression in enumerate(expressions):
            with suppress(NotInColumnsError):
                parsed[i] = parse(expression, types)
        self._parsed = list(parsed)
        self._columns = Columns(list(parsed.values()))
        self._columns_read = [known[name] for name in self._columns.signals]
        self._others = [i for i in range(len(expressions)) if i not in parsed]
        others = [expressions[i] for i in self._others]
        self._other_rows = Rows(others)
        self._others_read = _signals(others, known)

    def answer(self, values: dict[str, Any]) -> Answer[T]:
        """The answer for one event with these values of its signals."""
        held, failed = self._rows.answer(values)
        return [self._subjects[i] for i in held], [self._subjects[i] for i in failed]

    def answers(self, contexts: Sequence[Context], columns: dict[str, Column]) -> list[Answer[T]]:
        """The answer for each event. `columns` has columns of these events by signal; those that it lacks are added."""
        if len(contexts) < FEWEST:
            return self._event_by_event(contexts)
        try:
            columns |= _columns_of([each for each in self._columns_read if each.name not in columns], contexts)
            answered = self._columns.evaluate(columns, len(contexts))
        except (OverflowError, ValueError):  # a value that no column holds
            return self._event_by_event(contexts)
        table = np.zeros((len(self._subjects), len(contexts)), np.bool_)
        table[self._parsed] = answered
        failures: dict[int, list[int]] = {}
        for event, context in enumerate(contexts if self._others else ()):
            held, failed = self._other_rows.answer(read(self._others_read, context))
            for i in held:
                table[self._others[i], event] = True
            if failed:
                failures[event] = [self._others[i] for i in failed]
        return self._grouped(table, failures)

    def _event_by_event(self, contexts: Sequence[Context]) -> list[Answer[T]]:
        return [self.answer(read(self._signals, context)) for context in contexts]

    def _grouped(self, table: NDArray[np.bool_], failures: Mapping[int, list[int]]) -> list[Answer[T]]:
        """The answer for each column of the table. Events with equal columns share one answer."""
        packed = np.ascontiguousarray(np.packbits(table, axis=0).T)
        keys = packed.view(f"S{packed.shape[1]}").ravel().tolist() if packed.size else [b""] * table.shape[1]
        first = {key: event for event, key in enumerate(keys)}
        groups: dict[bytes, Answer[T]] = {
            key: ([self._subjects[i] for i in np.flatnonzero(table[:, event]).tolist()], [])
            for key, event in first.items()
        }
        answers = [groups[key] for key in keys]
        for event, failed in failures.items():
            answers[event] = (answers[event][0], [self._subjects[i] for i in failed])
        return answers


def _columns_of(signals: Sequence[Signal], contexts: Sequence[Context]) -> dict[str, Column]:
    """The column of each signal. A signal that depends on sender and text alone is read once for each such pair."""
    one_of_pair = {context.pair: context for context in contexts}
    place = {pair: n for n, pair in enumerate(one_of_pair)}
    rows = np.array([place[context.pair] for context in contexts], np.intp)
    columns: dict[str, Column] = {}
    counts = _counts({signal.name for signal in signals if signal.of_counter}, contexts)
    for signal in signals:
        if signal.of_counter:
            columns[signal.name] = column_of(counts[signal.name], signal.type)
        elif signal.of_pair and len(one_of_pair) < len(contexts):
            columns[signal.name] = column_of([signal.read(each) for each in one_of_pair.values()], signal.type)[rows]
        else:
            columns[signal.name] = column_of([signal.read(each) for each in contexts], signal.type)
    return columns


def _counts(names: Collection[str], contexts: Sequence[Context]) -> dict[str, list[int]]:
    """The values of these counters for each event. There are many, and most are 0: only the others are looked at."""
    counts = {name: [0] * len(contexts) for name in names}
    for place, context in enumerate(contexts if names else ()):
        for name, value in context.counted.items():
            if name in counts:
                counts[name][place] = value
    return counts


def _signals(expressions: Sequence[str], known: Mapping[str, Signal]) -> list[Signal]:
    """The signals that the expressions read."""
    return [known[n] for n in sorted({name for each in expressions for name in cel.compile(each).variables()})]
