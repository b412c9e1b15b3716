"""Safe loading of YAML from strangers: dangerous input is refused before the parser builds values.

PyYAML recurses at each level, also in C: 100,000 brackets end the process. Nested aliases expand a few lines to
millions of values. The base-60 number 1:1:1… takes minutes. Parse events arrive one by one, so checking them is safe.
"""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.errors import AntispamError

MAX_BYTES = 1_000_000  # code points
MAX_DEPTH = 20  # levels of lists and mappings; the shipped files have up to 8
MAX_PLAIN = 5_000  # code points of an unquoted value, which YAML may read as a number


def hostile(text: str, *, aliases: bool = False) -> tuple[int, str] | None:
    """(code point, fault) of a text that must not be loaded; None if loading is safe.

    Invalid YAML is not a fault here, because the parser reports it. `aliases` permits aliases: for callers that limit
    the number of expanded values.
    """
    if len(text) > MAX_BYTES:
        return 0, f"larger than {MAX_BYTES} characters"
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            at = event.start_mark.index if event.start_mark else 0
            if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
                return at, "tags (!name) are not allowed"
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    return at, f"nested more than {MAX_DEPTH} levels deep"
            elif isinstance(event, yaml.ScalarEvent) and not event.style and len(event.value) > MAX_PLAIN:
                return at, f"a value without quotes has up to {MAX_PLAIN} characters"
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.AliasEvent) and not aliases:
                return at, "aliases (*name) are not allowed here"
    except (yaml.YAMLError, UnicodeEncodeError):
        return None
    return None


def load(text: str, source: str) -> Any:
    """The value of a YAML text without aliases. Raises AntispamError naming the fault and its place in `source`."""
    found = hostile(text)
    if found is not None:
        raise AntispamError(f"{source}:{text.count(chr(10), 0, found[0]) + 1}: {found[1]}")
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1"
        raise AntispamError(f"{source}:{place}: {error.problem or 'not YAML'}") from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise AntispamError(f"{source}: {error}") from None
    except (ValueError, AttributeError):  # PyYAML reads 2026-02-30 as a date and 0x_ as a number
        raise AntispamError(f"{source}: an invalid date or number; put a text in quotes") from None
