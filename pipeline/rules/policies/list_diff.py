"""The differences between two list files in words: how many entries of each list, then some of them.

Numbers are shown without their middle digits. A list may have millions of entries, so both files are compared as
`ListedNumbers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from pipeline.rules.expiry import NEVER
from pipeline.rules.listed_numbers import Differing, ListedNumbers, Mark
from pipeline.rules.lists import Numbers
from pipeline.rules.policies.difference import Line
from pipeline.text.numbers import masked

SHOWN = 20  # entries of each list and sort
_NONE = ListedNumbers()


def list_differences(before: Numbers, after: Numbers) -> list[Line]:
    """What is different in `after`; empty if only the order of rows differs."""
    keys = sorted({*before, *after})
    found = [(key, after.get(key, _NONE).differing(before.get(key, _NONE), SHOWN)) for key in keys]
    counted: dict[str, Counter[str]] = {}
    for (name, _port), each in found:
        counted.setdefault(name, Counter()).update(added=each.added, removed=each.removed, changed=each.changed)
    lines = [_counts(name, counts) for name, counts in counted.items() if counts.total()]
    shown: Counter[tuple[str, bool, bool]] = Counter()
    for (name, port), each in found:
        lines += _entries(name, port, each, shown)
    return lines


def list_summary(numbers: Numbers) -> str:
    """How many entries each list has."""
    counts: Counter[str] = Counter()
    for (name, _port), each in numbers.items():
        counts[name] += len(each)
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "no entries"


def _counts(name: str, counts: Counter[str]) -> Line:
    added, removed, changed = counts["added"], counts["removed"], counts["changed"]
    return {
        "zh": f"名单 {name}：新增 {added:,} 条，删除 {removed:,} 条，改动 {changed:,} 条",
        "en": f"list {name}: {added:,} added, {removed:,} removed, {changed:,} changed",
    }


def _entries(name: str, port: str, found: Differing, shown: Counter[tuple[str, bool, bool]]) -> Iterator[Line]:
    for number, was, now in found.some:
        sort = name, was is None, now is None
        shown[sort] += 1
        if shown[sort] > SHOWN:
            continue
        value = masked(f"{port}:{number}" if port else number)
        if was is None:
            yield {
                "zh": f"名单 {name} 新增 {value}：{_written(now)}",
                "en": f"list {name}: new {value}: {_written(now)}",
            }
        elif now is None:
            yield {"zh": f"名单 {name} 删除 {value}", "en": f"list {name}: {value} removed"}
        else:
            told = f"{value}: {_written(was)} → {_written(now)}"
            yield {"zh": f"名单 {name} 改动 {told}", "en": f"list {name}: {told}"}


def _written(mark: Mark | None) -> str:
    """An entry's reason and end."""
    if mark is None:
        return "–"
    reason = masked(mark.reason) or "–"
    if mark.expires == NEVER:
        return reason
    return f"{reason}, ≤ {datetime.fromtimestamp(mark.expires / 1000, UTC).isoformat(timespec='minutes')}"
