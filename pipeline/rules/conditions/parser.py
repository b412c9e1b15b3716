"""A parser of the part of CEL that can be evaluated in columns. It types each expression while it reads it.

The part is chosen so that no evaluation can fail: names of signals, literals, comparisons, `&&`, `||`, `!`, `in`, and
`size` of a list. Arithmetic, indexes and other functions can fail; CEL itself evaluates the conditions that have them.
A tree is as deep as the brackets of its condition, which `check_condition` limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Type = Literal["int", "double", "string", "bool", "list(string)"]
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_NUMBERS = ("int", "double")
_TOKEN = re.compile(
    r"\s*(?:(?P<double>\d+\.\d+(?![\w.]))|(?P<int>\d+(?![\w.]))|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>'[^'\\\r\n]*'|\"[^\"\\\r\n]*\")|(?P<sign>&&|\|\||[=!<>]=|[-!<>(),\[\]]))"
)
_MOST = 1 << 63


class NotInColumnsError(Exception):
    """The expression is outside the part of CEL that columns evaluate."""


@dataclass(frozen=True, slots=True)
class Node:
    """An expression: `operator` is `name`, `literal`, or what is done to the `operands`."""

    operator: str
    type: Type
    operands: tuple[Node, ...] = ()
    value: str | int | float | bool = ""


def parse(expression: str, types: Mapping[str, Type]) -> Node:
    """The tree of a condition that CEL accepts. Raises NotInColumnsError for one outside this part of CEL."""
    return _Parser(expression, types).whole()


class _Parser:
    def __init__(self, expression: str, types: Mapping[str, Type]) -> None:
        self._types = types
        self._tokens: list[tuple[str, str]] = []
        at, end = 0, len(expression.rstrip())
        while at < end:
            token = _TOKEN.match(expression, at)
            if token is None or token.lastgroup is None:
                raise NotInColumnsError
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            at = token.end()
        self._tokens.append(("end", ""))
        self._tokens.reverse()

    def whole(self) -> Node:
        node = self._or()
        if self._tokens[-1][0] != "end" or node.type != "bool":
            raise NotInColumnsError
        return node

    def _or(self) -> Node:
        operands = [self._and()]
        while self._takes("||"):
            operands.append(self._and())
        return _logical("||", operands)

    def _and(self) -> Node:
        operands = [self._relation()]
        while self._takes("&&"):
            operands.append(self._relation())
        return _logical("&&", operands)

    def _relation(self) -> Node:
        left = self._unary()
        kind, word = self._tokens[-1]
        if kind == "sign" and word in _COMPARISONS:
            self._tokens.pop()
            return _comparison(word, left, self._unary())
        if (kind, word) == ("name", "in"):
            self._tokens.pop()
            if self._takes("["):
                members = self._listed("]")
                return _logical("||", [_comparison("==", left, each) for each in members])
            right = self._unary()
            if left.type != "string" or right.type != "list(string)":
                raise NotInColumnsError
            return Node("in", "bool", (left, right))
        return left

    def _unary(self) -> Node:
        negated = 0
        while self._takes("!"):
            negated += 1
        operand = self._primary()
        if negated and operand.type != "bool":
            raise NotInColumnsError
        return Node("!", "bool", (operand,)) if negated % 2 else operand

    def _primary(self) -> Node:
        negative = self._takes("-")
        kind, word = self._tokens.pop()
        if kind in _NUMBERS:
            return _number(kind, f"-{word}" if negative else word)
        if negative:
            raise NotInColumnsError
        if kind == "string":
            return Node("literal", "string", value=word[1:-1])
        if (kind, word) == ("sign", "("):
            return self._closed(")", self._or())
        if kind == "name":
            return self._named(word)
        raise NotInColumnsError

    def _named(self, word: str) -> Node:
        if word in ("true", "false"):
            return Node("literal", "bool", value=word == "true")
        if word == "size" and self._takes("("):
            of = self._closed(")", self._or())
            if of.type != "list(string)":
                raise NotInColumnsError
            return Node("size", "int", (of,))
        if word not in self._types:
            raise NotInColumnsError
        return Node("name", self._types[word], value=word)

    def _listed(self, close: str) -> list[Node]:
        members = [self._or()]
        while self._takes(","):
            members.append(self._or())
        self._closed(close, members[0])
        return members

    def _closed(self, close: str, node: Node) -> Node:
        if not self._takes(close):
            raise NotInColumnsError
        return node

    def _takes(self, sign: str) -> bool:
        if self._tokens[-1] == ("sign", sign):
            self._tokens.pop()
            return True
        return False


def _logical(operator: str, operands: list[Node]) -> Node:
    if len(operands) == 1:
        return operands[0]
    if any(operand.type != "bool" for operand in operands):
        raise NotInColumnsError
    return Node(operator, "bool", tuple(operands))


def _comparison(operator: str, left: Node, right: Node) -> Node:
    same = left.type == right.type and left.type != "list(string)"
    ordered = left.type != "bool" or operator in ("==", "!=")
    if not ((same and ordered) or (left.type in _NUMBERS and right.type in _NUMBERS)):
        raise NotInColumnsError
    return Node(operator, "bool", (left, right))


def _number(kind: str, digits: str) -> Node:
    if kind == "double":
        return Node("literal", "double", value=float(digits))
    value = int(digits)
    if abs(value) >= _MOST:
        raise NotInColumnsError
    return Node("literal", "int", value=value)
