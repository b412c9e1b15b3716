"""Reads a policy file (YAML). Every fault is reported with file, line, caret and suggestion."""

from __future__ import annotations

from typing import Any
from unicodedata import east_asian_width

import yaml

from pipeline.errors import AntispamError
from pipeline.text.faults.suggestion import MAX_NAME, suggestion
from pipeline.text.faults.yaml_text import hostile

SHOWN = 160  # code points shown of a line
MAX_VALUES = 100_000  # nested aliases can expand a few lines to millions of values


class PolicyError(AntispamError):
    """A policy is refused; the message points at the fault."""


class PolicyFile:
    """The parsed YAML and the position of each value in the file."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self._marks: dict[tuple[Any, ...], yaml.Node] = {}
        self._keys: dict[tuple[Any, ...], yaml.Node] = {}
        found = hostile(text, aliases=True)
        if found is not None:
            raise self._pointing(found[0], 1, found[1])
        try:
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
            if node is not None:
                self._index(node, ())
            self.data = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            raise self._pointing(mark.index if mark else 0, 1, str(error.problem or "not YAML")) from None
        except yaml.reader.ReaderError as error:
            before = text.encode()[: error.position].decode(errors="replace")
            raise self._pointing(len(before), 1, f"character U+{error.character:04X} is not allowed") from None
        except UnicodeEncodeError:
            raise PolicyError(f"{name}: not Unicode text") from None
        except (ValueError, AttributeError):
            raise self._not_of_its_type() from None

    def _index(self, node: yaml.Node, path: tuple[Any, ...]) -> None:
        if len(path) > 8:
            raise PolicyError(f"{self.name}: nested too deeply")
        if len(self._marks) >= MAX_VALUES:
            raise PolicyError(f"{self.name}: more than {MAX_VALUES} values")
        self._marks[path] = node
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self._pointing(key.start_mark.index, 1, "a field's name expected")
                inner = (*path, key.value)
                if inner in self._keys:
                    self._keys[inner] = key
                    raise self.fault(inner, f"'{key.value}' stands here twice", of_name=True)
                self._keys[inner] = key
                self._index(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                self._index(value, (*path, i))

    def line(self, path: tuple[Any, ...]) -> int:
        """The 1-based line of a field's name, or of the part that surrounds it if the file has no such field."""
        marks = self._marks | self._keys
        while path not in marks and path:
            path = path[:-1]
        return int(marks[path].start_mark.line) + 1 if path in marks else 1

    def fault(
        self, path: tuple[Any, ...], message: str, at: int = 0, length: int = 0, of_name: bool = False
    ) -> PolicyError:
        """An error that points `at` code points into the value of `path`, or at the field's name.

        A part that the file does not have is missing in the part that surrounds it, so the error points there.
        """
        marks = self._marks | self._keys if of_name else self._marks
        while path not in marks and path:
            path = path[:-1]
        node = marks.get(path)
        if node is None:
            return PolicyError(f"{self.name}: {message}")
        start = node.start_mark.index
        if isinstance(node, yaml.ScalarNode):
            start += self._into(node, at)
            length = length or len(node.value)
        elif node.start_mark.line == node.end_mark.line:
            length = node.end_mark.index - start
        return self._pointing(start, length, message)

    def unknown(
        self, path: tuple[Any, ...], what: str, word: str, known: list[str], at: int = 0, of_name: bool = False
    ) -> PolicyError:
        """An error for an unknown name; it suggests the nearest known name."""
        error = self.fault(path, f"unknown {what} '{word[:MAX_NAME]}'", at, len(word), of_name)
        return PolicyError(f"{error}\n  {suggestion(word, sorted(known))}")

    def _into(self, node: yaml.ScalarNode, at: int) -> int:
        """The offset of code point `at` of a scalar in its YAML source, which may fold, indent and escape it."""
        raw = self.text[node.start_mark.index : node.end_mark.index]
        start = raw.find("\n") + 1 if node.style in ("|", ">") else 1 if node.style in ("'", '"') else 0
        before = len("".join(node.value[:at].split()))
        for i in range(start, len(raw)):
            skipped = raw[i].isspace() or (node.style == '"' and raw[i] == "\\" != raw[i - 1])
            if skipped or (node.style == "'" and raw[i] == "'" == raw[i - 1] and i > start):
                continue
            if not before:
                return i
            before -= 1
        return start

    def _not_of_its_type(self) -> PolicyError:
        """An error for the value whose type failed: YAML reads `2026-13-45` as a date and fails without a position."""
        for path, node in self._marks.items():
            try:
                yaml.constructor.SafeConstructor().construct_object(node, deep=True)
            except (ValueError, AttributeError):
                if isinstance(node, yaml.ScalarNode):
                    what = "a valid date" if node.tag.endswith(":timestamp") else "a valid number"
                    return self.fault(path, f"'{node.value[:40]}' is not {what}; put a text in quotes")
        return PolicyError(f"{self.name}: not YAML")

    def _pointing(self, index: int, length: int, message: str) -> PolicyError:
        line, begin = self.text.count("\n", 0, index), self.text.rfind("\n", 0, index) + 1
        column = index - begin
        end = self.text.find("\n", index)
        left = max(0, column - SHOWN // 2) if column > SHOWN else 0  # a long line is cut around the fault
        shown = self.text[begin + left : begin + left + SHOWN if end < 0 else min(end, begin + left + SHOWN)].rstrip(
            "\r"
        )
        number = f"{line + 1:>5} | "
        at = column - left
        indent = "".join("\t" if c == "\t" else " " * _cells(c) for c in shown[:at])
        caret = "^" + "~" * max(0, _cells(shown[at : at + length]) - 1)
        return PolicyError(
            f"{self.name}:{line + 1}:{column + 1}: {message}\n{number}{shown}\n{' ' * len(number)}{indent}{caret}"
        )


def _cells(text: str) -> int:
    """The width of a text in terminal columns: a Chinese character takes two."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
