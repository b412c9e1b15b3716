"""Checks of a rule's condition: limits before the CEL parser reads it, and trial evaluations afterwards.

The CEL parser (Rust) recurses at each bracket: 100,000 brackets end the process. Each operand is evaluated with
example values of its signals' types, so the cost of a condition grows faster than its length. So a scan in linear
time limits length, depth and functions first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Protocol

from pipeline.rules.conditions.cel_engine import cel
from pipeline.rules.policy_file import PolicyError, PolicyFile
from pipeline.rules.signals import CATALOGUE, EXAMPLES, SignalType

MAX_LENGTH = 2_000  # code points; the longest condition we ship has 170
MAX_DEPTH = 16  # brackets
MOST_TRIED = 256  # combinations of example values with which an operand is evaluated
# Errors that a checked condition may still raise: a division by 0, an overflow, a missing element.
UNANSWERED = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
# Nested loops are too slow at any permitted length. `has` tests fields, and signals have none.
_FORBIDDEN = frozenset(
    {"all", "matches", "exists", "exists_one", "filter", "map", "has", "existsOne", "transformList", "transformMap"}
)
_TOKEN = re.compile(
    r"//[^\n]*"
    r"|(?P<literal>(?<!\w)[rRbB]{1,2}(?=['\"])|'''|\"\"\")"
    r"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
    r"|(?<!\w)(?P<name>[A-Za-z_]\w*+)(?=(?:\s|//[^\n]*\n)*+\()"
    r"|&&|\|\||[()\[\]{},?:]",
    re.DOTALL,
)
_OPERATORS = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!"}
_CLOSING = {")": "(", "]": "[", "}": "{"}


class Named(Protocol):
    """What a condition may read: a type, and example values of it."""

    @property
    def type(self) -> SignalType:
        """The type of its values."""

    @property
    def examples(self) -> Sequence[Any]:
        """Values with which a condition is tried."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A name that conditions may read beside the catalogue's signals."""

    type: SignalType

    @property
    def examples(self) -> Sequence[Any]:
        """Example values of its type."""
        return EXAMPLES[self.type]


def compiled(expressions: list[str]) -> Callable[[dict[str, Any]], list[Any]]:
    """One program that evaluates all checked conditions and returns their values in order."""
    program = cel.compile("[" + ",".join(f"({e}\n)" for e in expressions) + "]")  # a condition may end in a comment
    execute: Callable[[dict[str, Any]], list[Any]] = program.execute
    return execute


def check_condition(
    file: PolicyFile, path: tuple[Any, ...], expression: Any, known: Mapping[str, Named]
) -> tuple[str, ...]:
    """Check a CEL condition and return the signals that it reads, sorted. Raises PolicyError pointing at the fault."""
    if not isinstance(expression, str) or not expression.strip():
        missing = f"'{path[-1]}' is missing: " if expression is None else ""
        raise file.fault(path, f"{missing}a CEL condition expected, such as messages > 50")
    _bounded(file, path, expression)
    try:
        program = cel.compile(expression)
    except ValueError as error:
        found = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*?)(?: expecting \{.*)?\n", f"{error}\n")
        at, why = (0, "cannot be parsed") if found is None else (int(found[2]) - 1, found[3])
        if found is not None:
            at += sum(len(line) + 1 for line in expression.split("\n")[: int(found[1]) - 1])
        word = re.compile(r"\w+|").match(expression, at)
        if word and word[0] in _OPERATORS:
            written = f"not CEL: '{word[0]}' is written {_OPERATORS[word[0]]}"
            raise file.fault(path, written, at, len(word[0])) from None
        raise file.fault(path, f"not CEL: {why}", min(at, len(expression.rstrip()) - 1), 1) from None
    names = tuple(program.variables())
    for name in names:
        if name not in known:
            raise _unknown(file, path, expression, name, known)
    answer = None
    for at, part, condition in _parts(expression):
        for answer in _answers(file, path, (at, part), known):
            if condition and not isinstance(answer, bool):
                what = f"a condition is true or false; this is {type(answer).__name__}"
                raise file.fault(path, what, at, len(part))
    if not names and not answer:
        raise file.fault(path, "can never be true")
    return names


def _unknown(
    file: PolicyFile, path: tuple[Any, ...], expression: str, name: str, known: Mapping[str, Named]
) -> PolicyError:
    """The error for a name that is no signal here."""
    used = re.search(rf"\b{re.escape(name)}\b", expression)
    at = used.start() if used else 0
    if name in CATALOGUE:
        error = file.fault(path, f"the signal '{name}' cannot be read here", at, len(name))
        return PolicyError(f"{error}\n  one of {', '.join(sorted(known))}")
    error = file.unknown(path, "signal", name, list(known), at)
    compared = re.search(r"(?:[=!]=|[\[,])\s*$", expression[:at])
    return PolicyError(f'{error}\n  if it is a text, write "{name}"') if compared else error


def _bounded(file: PolicyFile, path: tuple[Any, ...], expression: str) -> None:
    """Raises PolicyError if a condition is too long or too deep, or has a macro or brackets that do not match."""
    if len(expression) > MAX_LENGTH:
        raise file.fault(path, f"a condition has up to {MAX_LENGTH} characters, not {len(expression)}", 0, 1)
    opened: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(expression):
        word, at = token[0], token.start()
        if token["literal"]:
            raise file.fault(path, "write a text as 'text' or \"text\", with no letter before it", at, len(word))
        if token["name"] in _FORBIDDEN:
            raise file.fault(path, f"'{word}' is not allowed here; use 'x in list', size(), && and ||", at, len(word))
        if word in ("(", "[", "{"):
            opened.append((word, at))
            if len(opened) > MAX_DEPTH:
                raise file.fault(path, f"brackets are nested more than {MAX_DEPTH} deep", at, 1)
        elif word in _CLOSING and (not opened or opened.pop()[0] != _CLOSING[word]):
            raise file.fault(path, f"'{word}' closes no bracket", at, 1)
    if opened:
        raise file.fault(path, f"'{opened[-1][0]}' is never closed", opened[-1][1], 1)


def _answers(
    file: PolicyFile, path: tuple[Any, ...], part: tuple[int, str], known: Mapping[str, Named]
) -> Iterator[Any]:
    """The values of a part of a condition for example values of its signals' types."""
    at, text = part
    try:
        program = cel.compile(text)
    except ValueError:
        return  # not an expression by itself, such as the name before a : in a map
    names = tuple(program.variables())
    for values in islice(product(*(known[name].examples for name in names)), MOST_TRIED):
        try:
            yield program.execute(dict(zip(names, values, strict=True)))
        except TypeError as error:
            types = ", ".join(f"{name} is {known[name].type}" for name in names)
            why = f"wrong types ({types}): {str(error).split('. ')[0]}" if names else str(error).split(". ")[0]
            raise file.fault(path, why, at, len(text)) from None
        except UNANSWERED as error:
            if "Undefined" in str(error):
                raise file.fault(path, str(error).split(". ")[0], at, len(text)) from None
            # An example such as 0 can make a valid condition fail; screening marks such a decision degraded.


def _parts(expression: str) -> Iterator[tuple[int, str, bool]]:
    """(offset, text, must be boolean) of each operand in a condition, from the inside out; the whole condition last.

    Operands are checked one by one, because && and || stop at the operand that decides: a wrong type behind it would
    show only when evaluation reaches it.
    """
    starts, tests = [0], [False]  # by bracket depth: start of the operand; whether it follows && or ||
    for token in _TOKEN.finditer(expression):
        word = token[0]
        if word[0] in "'\"/" or token["name"]:
            continue
        if word in "([{":
            starts.append(token.end())
            tests.append(False)
            continue
        part = expression[starts[-1] : token.start()]
        if part.strip():
            yield starts[-1] + len(part) - len(part.lstrip()), part.strip(), tests[-1] or word in ("&&", "||", "?")
        if word in ")]}":
            starts.pop()
            tests.pop()
        else:
            starts[-1], tests[-1] = token.end(), word in ("&&", "||")
    part = expression[starts[-1] :]
    yield starts[-1] + len(part) - len(part.lstrip()), part.strip(), True
    yield 0, expression, True
