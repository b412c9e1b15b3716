"""The differences between two dictionaries in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.rules.expiry import NEVER
from pipeline.rules.messages import Templates
from pipeline.rules.policies.difference import Line, from_to
from pipeline.rules.words.dictionary_file import Entry, Mode

_FIELDS: Mapping[str, Templates] = {
    "word": {"zh": "写法", "en": "spelling"},
    "category": {"zh": "类别", "en": "category"},
    "verdict": {"zh": "结论", "en": "verdict"},
    "severity": {"zh": "严重度", "en": "severity"},
    "mode": {"zh": "匹配方式", "en": "mode"},
    "near": {"zh": "须邻近", "en": "near"},
    "unless": {"zh": "排除", "en": "unless"},
    "expires": {"zh": "到期", "en": "expiry"},
}


def dictionary_differences(before: Sequence[Entry], after: Sequence[Entry]) -> list[Line]:
    """What is different in `after`, a sentence a difference; empty if only notes or the order of words differ."""
    return list(_lines(_by_word(before), _by_word(after)))


def _by_word(entries: Sequence[Entry]) -> dict[tuple[str, bool], Entry]:
    """By what makes a word unique in a file: its letters, and whether it is a regular expression."""
    return {(entry.word.casefold(), entry.mode is Mode.REGEX): entry for entry in entries}


def _lines(old: Mapping[tuple[str, bool], Entry], new: Mapping[tuple[str, bool], Entry]) -> Iterator[Line]:
    for key, entry in new.items():
        before = old.get(key)
        if before is None:
            told = f"{entry.category}, {entry.verdict}"
            yield {"zh": f"新增词语 {entry.word}：{told}", "en": f"new word {entry.word}: {told}"}
            continue
        for field, label in _FIELDS.items():
            was, now = getattr(before, field), getattr(entry, field)
            if was != now:
                line = from_to(label, _written(field, was), _written(field, now))
                yield {"zh": f"词语 {entry.word}：{line['zh']}", "en": f"word {entry.word}: {line['en']}"}
    for key, entry in old.items():
        if key not in new:
            yield {"zh": f"删除词语 {entry.word}", "en": f"word {entry.word} removed"}


def _written(field: str, value: Any) -> str:
    if field == "expires":
        return "–" if value == NEVER else datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="minutes")
    return " | ".join(value) or "–" if isinstance(value, tuple) else str(value)
