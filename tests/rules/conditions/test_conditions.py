"""Conditions in columns give the answers of CEL, event by event."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.configuration import default_policy
from pipeline.rules.conditions.columns import Column
from pipeline.rules.conditions.conditions import FEWEST, Conditions
from pipeline.rules.conditions.parser import NotInColumnsError, Type, parse
from pipeline.rules.policies.policy import known_signals, parse_policy
from pipeline.rules.signals import Signal

TYPES: dict[str, Type] = {
    "n": "int",
    "m": "int",
    "x": "double",
    "y": "double",
    "s": "string",
    "t": "string",
    "a": "bool",
    "b": "bool",
    "l": "list(string)",
    "in_list": "list(string)",
}
OF_PAIR = ("m", "y", "t", "b", "in_list")
KNOWN = {
    name: Signal(
        name,
        type_,
        "of a test",
        lambda context, name=name: getattr(context, name),  # type: ignore[misc]
        of_pair=name in OF_PAIR,
    )
    for name, type_ in TYPES.items()
}
INTS = st.one_of(st.integers(-3, 3), st.integers(-(1 << 63), (1 << 63) - 1), st.just((1 << 53) + 1))
DOUBLES = st.one_of(st.sampled_from([-1.0, 0.0, 0.5, 1.0, float(1 << 53)]), st.floats())
STRINGS = st.one_of(st.sampled_from(["", "x", "y", "é", "中", "😀", "\uffff"]), st.text(max_size=3))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": INTS,
    "double": DOUBLES,
    "string": STRINGS,
    "bool": st.booleans(),
    "list(string)": st.lists(STRINGS, max_size=3),
}
ROWS = st.fixed_dictionaries({name: VALUES[type_] for name, type_ in TYPES.items()})
COMPARISONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def joined(*parts: Any) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(" ".join)


def names(*types: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name for name, type_ in TYPES.items() if type_ in types])


LITERAL_STRINGS = st.sampled_from(["''", '"x"', "'y'", "'中'", "'a && b'", "'\uffff'"])
WHOLE = st.one_of(
    names("int"),
    st.integers(-(1 << 62), 1 << 62).map(str),
    st.integers(-3, 3).map(str),
    joined("size(", names("list(string)"), ")"),
)
NUMBERS = st.one_of(WHOLE, names("double"), st.sampled_from(["0.5", "-1.0", "9007199254740992.0"]))
TEXTS = st.one_of(names("string"), LITERAL_STRINGS)
# The last three can fail or are no part of columns: CEL evaluates them.
ATOMS = st.one_of(
    names("bool"),
    st.sampled_from(["true", "false"]),
    joined(NUMBERS, COMPARISONS, NUMBERS),
    joined(TEXTS, COMPARISONS, TEXTS),
    joined(TEXTS, "in", names("list(string)")),
    joined(TEXTS, "in [", st.lists(TEXTS, min_size=1, max_size=3).map(", ".join), "]"),
    joined(WHOLE, "in [", st.lists(WHOLE, min_size=1, max_size=3).map(", ".join), "]"),
    joined("100 /", names("int"), "> 3"),
    joined(names("int"), "+", names("int"), "> 3"),
    joined(names("bool"), "? s == 'x' : 1 / n > 0"),
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        joined(inner, "&&", inner),
        joined(inner, "||", inner),
        joined("(", inner, ")"),
        joined("!(", inner, ")"),
        joined("(", inner, ")", st.sampled_from(["==", "!="]), "(", inner, ")"),
    ),
    max_leaves=8,
)


@given(st.lists(EXPRESSIONS, min_size=1, max_size=5), st.lists(ROWS, min_size=1, max_size=6))
def test_columns_answer_as_cel_does_event_by_event(expressions: list[str], rows: list[dict[str, Any]]) -> None:
    conditions = Conditions(range(len(expressions)), expressions, KNOWN)
    contexts: list[Any] = [SimpleNamespace(**row, pair=pair) for pair, row in enumerate(rows)] * FEWEST
    columns: dict[str, Column] = {}
    expected = [conditions.answer(row) for row in rows] * FEWEST
    assert conditions.answers(contexts, columns) == expected
    assert conditions.answers(contexts, columns) == expected  # by the columns that were read before


def test_every_shipped_condition_is_evaluated_in_columns() -> None:
    shipped = parse_policy(default_policy())
    for on in shipped.sets:
        types = {name: signal.type for name, signal in known_signals(on, shipped.counters).items()}
        for rule in shipped.sets[on].rules:
            assert parse(rule.when, types).type == "bool"


@pytest.mark.parametrize(
    "expression",
    [
        "n + m > 1",
        "100 / n > 3",
        "size(s) > 1",  # CEL counts bytes here
        "s < 1",
        "a < b",
        "n == m == a",
        "s == 'a\\n'",
        "n > 1u",
        "n > 1e3",
        "n",
        "a ? b : a",
        "a // b",
        "l == in_list",
        "n in []",
        "a &&",
        "(a",
        "unknown",
        "- n > 1",
        "s == r'x'",
    ],
)
def test_what_can_fail_or_is_read_otherwise_is_left_to_cel(expression: str) -> None:
    with pytest.raises(NotInColumnsError):
        parse(expression, TYPES)
