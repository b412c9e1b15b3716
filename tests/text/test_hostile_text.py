"""Text made to break or to slow what reads it: every stage answers, and soon.

How soon depends on the machine, so a hostile text is compared with an ordinary one of the same length, in the
same run. At 2,000 code points, the longest content a port may send, most stages take the same time for both.
Measured: 5 times where the text is nothing but dictionary words, each of which is a hit to report, and 8 times
where each character unfolds into eighteen. A stage whose time grew with the square of the length would take
hundreds of times as long.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.classifier import Classifier
from pipeline.rules.words.dictionary import Dictionary
from pipeline.settings import Settings
from pipeline.text.contacts import find_contacts
from pipeline.text.fingerprint import fingerprints
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch

WORDS = Dictionary.parse(files("pipeline.rules").joinpath("defaults", "dictionary.csv").read_text("utf-8"))
MODEL = Classifier.load()
LONGEST = Settings.model_fields["max_content"].default

STAGES: dict[str, Callable[[str], object]] = {
    "normalise": lambda text: normalise_batch([text]).texts,
    "links": lambda text: find_links(normalise_batch([text])),
    "contacts": lambda text: find_contacts(normalise_batch([text])),
    "fingerprint": lambda text: fingerprints(normalise_batch([text])),
    "match": lambda text: WORDS.match_batch([text]),
    "classify": lambda text: MODEL.classify([text]),
}
HOSTILE = {
    "one character": "赌" * 100_000,
    "one word": "a" * 100_000,
    "surrogates": "\ud800\udfff" * 50_000,
    "combining marks": "e" + "\u0301" * 5_000,
    "direction overrides": "\u202e票发\u202d " * 1_000,
    "NUL": "\0代\0" * 1_000,
    "dots": "a." * 50_000,
    "digits": "1-" * 50_000,
    "pinyin without end": "中zhuang" * 20_000,
    "ligatures of eighteen letters": "\ufdfa" * 30_000,
    "split characters": "氵去" * 1_000,
    "openings of links": "http://@" * 300,
    "numerals": "一二3" * 700,
    "emoji": "👩\u200d👧" * 700,
    "every word of the dictionary": "".join(entry.word for entry in WORDS.entries),
    "one word of the dictionary": "代开发票办证" * 1_000,
}
ORDINARY = "尊敬的王女士，您订购的两件商品今日上午已发出，预计三天内送达，请保持电话畅通。Your parcel leaves today. "
TIMES_AS_LONG = 20
anything = st.text(st.characters(exclude_categories=()), max_size=100)


@pytest.mark.parametrize("stage", STAGES)
@given(text=st.builds("".join, st.lists(anything | st.sampled_from([h[:50] for h in HOSTILE.values()]), max_size=4)))
def test_no_text_breaks_a_stage(stage: str, text: str) -> None:
    STAGES[stage](text)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("stage", STAGES)
def test_a_hostile_text_takes_about_as_long_as_an_ordinary_one(stage: str, name: str) -> None:
    hostile = HOSTILE[name][:LONGEST]
    ordinary = (ORDINARY * LONGEST)[: len(hostile)]
    spent, usual = least_cpu_seconds(STAGES[stage], [hostile, ordinary])
    assert spent < TIMES_AS_LONG * usual


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("stage", STAGES)
def test_text_beyond_every_limit_gets_an_answer(stage: str, name: str) -> None:
    STAGES[stage](HOSTILE[name])


def least_cpu_seconds(work: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """CPU time of each text's fastest run of seven, the texts taken in turn: other load must not count."""
    runs = []
    for _ in range(7):
        times = []
        for text in texts:
            started = process_time()
            work(text)
            times.append(process_time() - started)
        runs.append(times)
    return [min(times) for times in zip(*runs, strict=True)]
