"""Every stage a text goes through, fed by a coverage-guided fuzzer: none may raise, whatever the text.

Not part of the suite. It needs atheris, which is not in requirements.lock (Linux only):

    python tests/fuzz_stages.py -max_total_time=600 -max_len=8000
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import thread_time
from typing import TypeVar

import atheris

with atheris.instrument_imports(include=["pipeline"]):
    from pipeline.campaigns.index import Campaigns, campaigns_of
    from pipeline.decision.configuration import load_directory
    from pipeline.text.contacts import find_contacts
    from pipeline.text.fingerprint import fingerprints
    from pipeline.text.links import find_links
    from pipeline.text.normal import normalise, normalise_batch

CONFIG = load_directory(None)
DICTIONARY, MODEL = CONFIG.dictionary, CONFIG.model
WORDS = [entry.word for entry in DICTIONARY.entries] if DICTIONARY else []
T = TypeVar("T")
SLOW = 0.005  # seconds of CPU
slowest: dict[str, float] = {}  # by stage


def timed(stage: str, length: int, work: Callable[[], T]) -> T:
    """What `work` returns; told on stderr when it is slow twice running, and slower than before."""
    seconds = 0.0
    for _ in range(2):
        started = thread_time()
        result = work()
        spent = thread_time() - started
        if spent <= max(SLOW, slowest.get(stage, 0.0)):
            return result
        seconds = max(seconds, spent)
    slowest[stage] = seconds
    print(f"slow: {stage} {seconds * 1e3:.1f} ms for {length} code points", file=sys.stderr)
    return result


def one(data: bytes) -> None:
    """Both halves of the bytes as text, alone and as one batch."""
    assert DICTIONARY is not None
    assert MODEL is not None
    provider = atheris.FuzzedDataProvider(data)
    texts = [provider.ConsumeUnicode(len(data) // 2), provider.ConsumeUnicode(len(data))]
    texts.append("".join(WORDS[place % len(WORDS)] for place in data[:300]) + texts[0][:200])
    length = sum(map(len, texts))
    normals = timed("normalise", length, lambda: normalise_batch(texts))
    links = timed("links", length, lambda: find_links(normals))
    contacts = timed("contacts", length, lambda: find_contacts(normals))
    marks = timed("fingerprint", length, lambda: fingerprints(normals))
    hits = timed("match", length, lambda: DICTIONARY.match_batch(texts, normals))
    scores = timed("classify", length, lambda: MODEL.classify(texts))
    campaigns = timed("campaigns", length, lambda: campaigns_of(texts, Campaigns(10)))
    assert (campaigns[0] == campaigns[1]) or texts[0] != texts[1]
    for n, text in enumerate(texts):
        alone = normalise(text)
        assert alone.text == normals.texts[n], "a text's normal form depends on its batch"
        assert all(low <= high < len(text) for low, high in zip(alone.map, alone.map[1:] or alone.map, strict=False))
        for found in (links[n], contacts[n], hits[n]):
            assert all(0 <= place.start < place.end <= len(text) for place in found)
        assert 0.0 <= scores[n].score <= 1.0
        assert fingerprints(normalise_batch([text])) == [marks[n]]


if __name__ == "__main__":
    for text in ("a", "发票", "http://a.cn"):  # tables are made on first use
        one(text.encode() * 4)
    slowest.clear()
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
