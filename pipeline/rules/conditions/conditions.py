"""The conditions of a rule set, asked for one event or for a batch of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cel
import numpy as np

from pipeline.rules.condition import UNANSWERED, compiled
from pipeline.rules.conditions.columns import Columns
from pipeline.rules.conditions.parser import Node, NotInColumnsError, parse
from pipeline.rules.context import Context
from pipeline.rules.signals import Signal, read

FEWEST = 24  # events of a batch from which columns cost less than CEL, which is evaluated event by event
Answer = tuple[list[int], list[int]]  # the conditions that hold, and the conditions whose evaluation failed


class Rows:
    """Checked conditions in one CEL program, which is evaluated once an event."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self._all = compiled(list(expressions))
        self._each = [cel.compile(expression) for expression in expressions]

    def answer(self, values: dict[str, Any]) -> Answer:
        """The conditions that hold for these values of signals, and those whose evaluation failed."""
        try:
            return [i for i, holds in enumerate(self._all(values)) if holds is True], []
        except UNANSWERED:
            return self._one_by_one(values)

    def _one_by_one(self, values: dict[str, Any]) -> Answer:
        held, failed = [], []
        for i, program in enumerate(self._each):
            try:
                if program.execute(values) is True:
                    held.append(i)
            except UNANSWERED:
                failed.append(i)
        return held, failed


class Conditions:
    """Checked conditions. A condition that columns do not evaluate is evaluated by CEL, event by event."""

    def __init__(self, expressions: Sequence[str], known: Mapping[str, Signal]) -> None:
        types = {name: signal.type for name, signal in known.items()}
        names = {name for expression in expressions for name in cel.compile(expression).variables()}
        self.signals = tuple(known[name] for name in sorted(names))
        self._rows = Rows(expressions)
        parsed: list[Node] = []
        self._parsed: list[int] = []
        self._others: list[int] = []
        for i, expression in enumerate(expressions):
            try:
                parsed.append(parse(expression, types))
                self._parsed.append(i)
            except NotInColumnsError:
                self._others.append(i)
        self._columns = Columns(parsed)
        self._read = [known[name] for name in self._columns.signals]
        others = [expressions[i] for i in self._others]
        self._other_rows = Rows(others)
        self._other_signals = [known[name] for name in {n for e in others for n in cel.compile(e).variables()}]

    def answer(self, values: dict[str, Any]) -> Answer:
        """The answer for one event with these values of its signals."""
        return self._rows.answer(values)

    def answers(self, contexts: Sequence[Context]) -> list[Answer]:
        """The answer for each event."""
        if len(contexts) < FEWEST:
            return [self.answer(read(self.signals, context)) for context in contexts]
        try:
            values = {signal.name: [signal.read(context) for context in contexts] for signal in self._read}
            table = self._columns.evaluate(values, len(contexts))
        except (OverflowError, ValueError):  # a value that no column holds
            return [self.answer(read(self.signals, context)) for context in contexts]
        found: list[Answer] = [([], []) for _ in contexts]
        events, rows = np.nonzero(table.T)
        for event, row in zip(events.tolist(), rows.tolist(), strict=True):
            found[event][0].append(self._parsed[row])
        if self._others:
            self._add_others(contexts, found)
        return found

    def _add_others(self, contexts: Sequence[Context], found: list[Answer]) -> None:
        for context, (held, failed) in zip(contexts, found, strict=True):
            others = self._other_rows.answer(read(self._other_signals, context))
            if others[0]:
                held.extend(self._others[i] for i in others[0])
                held.sort()
            failed.extend(self._others[i] for i in others[1])
