"""A difference between two versions in words, for people who approve the later one."""

from __future__ import annotations

from pipeline.rules.messages import Templates

Line = Templates  # one sentence, by language


def from_to(label: Templates, old: str, new: str) -> Line:
    """The sentence for a value that has changed."""
    return {language: f"{word} {old} → {new}" for language, word in label.items()}
