"""Reading a policy file: YAML whose every fault is reported with file, line, caret and suggestion."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import yaml

from pipeline.errors import AntispamError

MAX_BYTES = 1_000_000


class PolicyError(AntispamError):
    """A policy that is not accepted; the text points at the fault."""


class PolicyFile:
    """The parsed YAML and where each value stands in it."""

    def __init__(self, text: str, name: str) -> None:
        if len(text) > MAX_BYTES:
            raise PolicyError(f"{name}: larger than {MAX_BYTES} characters")
        self.text = text
        self.name = name
        self.lines = text.splitlines()
        self._marks: dict[tuple[Any, ...], yaml.Node] = {}
        try:
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
            if node is not None:
                self._index(node, ())
            self.data = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line, mark.column) if mark else (0, 0)
            raise self._pointing(line, column, 1, str(error.problem or "not YAML")) from None
        except yaml.YAMLError as error:
            raise PolicyError(f"{name}: {error}") from None

    def _index(self, node: yaml.Node, path: tuple[Any, ...]) -> None:
        if len(path) > 8:
            raise PolicyError(f"{self.name}: nested too deeply")
        self._marks[path] = node
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._index(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                self._index(value, (*path, i))

    def fault(self, path: tuple[Any, ...], message: str, at: int = 0, length: int = 0) -> PolicyError:
        """An error that points at the value of `path`, `at` code points into it."""
        while path not in self._marks and path:
            path = path[:-1]
        node = self._marks.get(path)
        if node is None:
            return PolicyError(f"{self.name}: {message}")
        line, column = node.start_mark.line, node.start_mark.column
        style = getattr(node, "style", None)
        if style in ("|", ">"):  # a block scalar begins on the next line; columns inside it are not known
            return self._pointing(line + 1, 0, 1, message)
        column += at + (1 if style in ("'", '"') else 0)
        if not length:
            end = node.end_mark
            length = end.column - column if end.line == line else 1
        return self._pointing(line, column, length, message)

    def unknown(self, path: tuple[Any, ...], what: str, word: str, known: list[str], at: int = 0) -> PolicyError:
        """An unknown name, with the nearest known one."""
        near = get_close_matches(word, known, n=1, cutoff=0.5)
        hint = f"\n  did you mean '{near[0]}'?" if near else f"\n  known: {', '.join(sorted(known))}"
        error = self.fault(path, f"unknown {what} '{word}'", at, len(word))
        return PolicyError(f"{error}{hint}")

    def _pointing(self, line: int, column: int, length: int, message: str) -> PolicyError:
        shown = self.lines[line] if line < len(self.lines) else ""
        number = f"{line + 1:>5} | "
        caret = " " * (len(number) + column) + "^" + "~" * max(0, min(length, len(shown) - column) - 1)
        return PolicyError(f"{self.name}:{line + 1}:{column + 1}: {message}\n{number}{shown}\n{caret}")
