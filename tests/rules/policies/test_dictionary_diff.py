"""The differences between two dictionaries in words."""

from __future__ import annotations

import pytest

from pipeline.rules.policies.dictionary_diff import dictionary_differences
from pipeline.rules.words.dictionary_file import parse_entries

OLD = """word,category,verdict,severity,mode,near,unless,expires,note
办证,other,review,50,evasive,,,,
cheap,other,reject,70,exact,pills|loan,,,
ab+c,other,review,50,regex,,,,
"""


def said(new: str, language: str = "en") -> list[str]:
    return [line[language] for line in dictionary_differences(parse_entries(OLD), parse_entries(new))]


@pytest.mark.parametrize(
    ("old", "new", "en", "zh"),
    [
        (
            "办证,other,review",
            "办证,other,reject",
            "word 办证: verdict review → reject",
            "词语 办证：结论 review → reject",
        ),
        ("办证,other", "办证,fraud", "word 办证: category other → fraud", "词语 办证：类别 other → fraud"),
        ("reject,70", "reject,80", "word cheap: severity 70 → 80", "词语 cheap：严重度 70 → 80"),
        ("cheap,", "Cheap,", "word Cheap: spelling cheap → Cheap", "词语 Cheap：写法 cheap → Cheap"),
        ("70,exact", "70,evasive", "word cheap: mode exact → evasive", "词语 cheap：匹配方式 exact → evasive"),
        ("pills|loan", "", "word cheap: near pills | loan → –", "词语 cheap：须邻近 pills | loan → –"),
        ("pills|loan,,", "pills|loan,free,", "word cheap: unless – → free", "词语 cheap：排除 – → free"),
        (
            "evasive,,,,",
            "evasive,,,2027-01-01T00:00:00+08:00,",
            "word 办证: expiry – → 2026-12-31T16:00+00:00",
            "词语 办证：到期 – → 2026-12-31T16:00+00:00",
        ),
        (
            "ab+c,other,review,50,regex",
            "ab+c,other,review,50,exact",
            "new word ab+c: other, review|word ab+c removed",  # a pattern is not a word of the same letters
            "新增词语 ab+c：other, review|删除词语 ab+c",
        ),
    ],
)
def test_what_changed(old: str, new: str, en: str, zh: str) -> None:
    assert old in OLD
    assert "|".join(said(OLD.replace(old, new))) == en
    assert "|".join(said(OLD.replace(old, new), "zh")) == zh


def test_order_and_notes_are_no_difference() -> None:
    header, *words = OLD.splitlines()
    turned = "\n".join([header, *(f"{word}a note" for word in reversed(words))])
    assert said(turned) == []
