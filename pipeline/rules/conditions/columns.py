"""Conditions evaluated for all events of a batch at once, as numpy columns.

An expression that several conditions share is evaluated once. Strings and lists are grouped: a comparison looks at
each distinct value once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.rules.conditions.parser import Node, Type

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
}
_LOGICAL: dict[str, Callable[[Any, Any], Any]] = {"&&": operator.and_, "||": operator.or_}
_DTYPES: dict[Type, type] = {"int": np.int64, "double": np.float64, "bool": np.bool_}


class NotComparableError(ValueError):
    """A value is not a number (NaN). CEL refuses to order it; the batch is evaluated by CEL."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """A column of strings or lists: the distinct values, and the index of each event's value among them."""

    distinct: list[Any]
    indexes: NDArray[np.intp]

    def each(self, ask: Callable[[Any], Any], dtype: type) -> NDArray[Any]:
        """The answer for each event; `ask` sees each distinct value once."""
        return np.array([ask(value) for value in self.distinct], dtype)[self.indexes]

    def __getitem__(self, rows: NDArray[np.intp]) -> Grouped:
        """The column of the values in these rows."""
        return Grouped(self.distinct, self.indexes[rows])


Column = NDArray[Any] | Grouped


def column_of(values: Sequence[Any], type_: Type) -> Column:
    """The column of a signal's values. Raises OverflowError or NotComparableError for values with no place in it."""
    if type_ in ("string", "list(string)"):
        groups: dict[Any, int] = {}
        keys = values if type_ == "string" else map(tuple, values)
        indexes = [groups.setdefault(key, len(groups)) for key in keys]
        return Grouped(list(groups), np.array(indexes, np.intp))
    column: NDArray[Any] = np.array(values, _DTYPES[type_])
    if type_ == "double" and np.isnan(column).any():
        raise NotComparableError
    return column


class Columns:
    """Parsed conditions in one list of steps. A step's operands stand before it in the list."""

    def __init__(self, conditions: Sequence[Node]) -> None:
        self._steps: dict[tuple[Any, ...], int] = {}
        self.signals: dict[str, Type] = {}
        self._conditions = [self._place(node) for node in conditions]

    def _place(self, node: Node) -> int:
        operands = tuple(self._place(operand) for operand in node.operands)
        if node.operator == "name":
            self.signals[str(node.value)] = node.type
        step = (node.operator, operands, node.type, node.value)  # the type tells 1 from 1.0 and true
        return self._steps.setdefault(step, len(self._steps))

    def evaluate(self, columns: Mapping[str, Column], events: int) -> NDArray[np.bool_]:
        """A row for each condition, a column for each event. `columns` has a column by signal."""
        done: list[Any] = []
        for name, operands, type_, value in self._steps:
            if name == "name":
                done.append(columns[str(value)])
            elif name == "literal":
                done.append(value if type_ == "string" else _DTYPES[type_](value))
            else:
                done.append(_operation(name, [done[operand] for operand in operands]))
        answers = np.empty((len(self._conditions), events), np.bool_)
        for row, step in enumerate(self._conditions):
            answers[row] = done[step]
        return answers


def _operation(name: str, operands: list[Any]) -> Any:
    if name == "!":
        return np.logical_not(operands[0])
    if name == "size":
        return operands[0].each(len, np.int64)
    if name in _LOGICAL:
        return reduce(_LOGICAL[name], operands)
    left, right = operands
    compare = _COMPARE[name]
    if isinstance(left, Grouped):
        if isinstance(right, Grouped):
            pairs = zip(left.indexes.tolist(), right.indexes.tolist(), strict=True)
            return np.array([compare(left.distinct[a], right.distinct[b]) for a, b in pairs], np.bool_)
        return left.each(lambda value: compare(value, right), np.bool_)
    if isinstance(right, Grouped):
        return right.each(lambda value: compare(left, value), np.bool_)
    return np.bool_(compare(left, right)) if isinstance(left, str) else compare(left, right)
