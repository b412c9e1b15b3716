"""Texts to measure on, never to teach: written for this by an author who had seen neither templates nor code.

blind_texts.jsonl has 60 honest and 60 spam texts, half Chinese (with Traditional of Taiwan and Hong Kong), half English
of seven regions. All of them are invented, with invented senders and reserved hosts and numbers. The kinds are those
that an operator meets; the words are the author's own. docs/models.md has the figures. They are lost as a measure as
soon as somebody writes a template, a list or a threshold after reading them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pipeline.models
from pipeline.models.evaluate import read_samples

BLIND = Path(__file__).with_name("blind_texts.jsonl")
MODELS = Path(pipeline.models.__file__).parent
_RUN = 32  # letters and digits in a row; shorter runs are idioms that two authors share


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def test_there_are_sixty_of_each_label_half_of_each_language() -> None:
    samples = read_samples([BLIND])
    assert len({sample.text for sample in samples}) == 120
    counts = Counter((sample.label, sample.lang) for sample in samples)
    assert counts == {(label, lang): 30 for label in ("ham", "spam") for lang in ("zh", "en")}


def test_no_text_of_them_is_taught() -> None:
    taught = [path for path in MODELS.rglob("*") if path.suffix in (".yaml", ".tsv")]
    assert len(taught) >= 5
    known: set[str] = set()
    for path in taught:
        letters = _letters(path.read_text(encoding="utf-8"))
        known.update(letters[at : at + _RUN] for at in range(len(letters)))
    for sample in read_samples([BLIND]):
        letters = _letters(sample.text)
        runs = {letters[at : at + _RUN] for at in range(max(1, len(letters) - _RUN + 1))}
        assert not runs & known, sample.text
