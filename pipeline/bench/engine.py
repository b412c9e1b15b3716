"""`antispam bench engine`: the decision function without streams, by stage.

There are two loads, both from the sample traffic: every text distinct, and each text ten times. Stages are timed
separately on the same batches, so their sum is about the time of the whole. Rules and counters are differences:
`screen` with a policy less `screen` with the same policy without them. `times_jieba_lcut` compares the decision with
`jieba.lcut` on the same texts in the same run, so it depends little on the machine.
"""

from __future__ import annotations

import gc
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time, time
from typing import Any

import jieba
import msgspec

from pipeline import door
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.index import Campaigns, Sending
from pipeline.campaigns.known import KnownCampaigns
from pipeline.campaigns.sketches import sketch
from pipeline.decision.configuration import Config, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import Campaign, Category, Submission, Verdict, encode
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import CampaignFrom, RuleSet
from pipeline.rules.speaker.speakers import find_speakers
from pipeline.rules.words.borders import tokenizer
from pipeline.rules.words.dictionary import Dictionary
from pipeline.rules.words.dictionary_file import Entry
from pipeline.sample.config import write_config
from pipeline.sample.stress import stress_ports
from pipeline.sample.traffic import generate
from pipeline.settings import Settings
from pipeline.text.contacts import find_contacts
from pipeline.text.fingerprint import fingerprints
from pipeline.text.links import find_links
from pipeline.text.normal import Normals, normalise_batch
from pipeline.text.signatures import find_signatures

BATCH = 1000
PORTS = 500
BENCH_TEXTS = 200_000
SINGLE = 500  # submissions that are screened one by one
LARGE = 20_000  # words of a large dictionary


def demo_config() -> Config:
    """The demo's configuration with the ports of the stress traffic."""
    from pipeline.sample.enterprises import PORTS as DEMO_PORTS

    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder), int(time() * 1000), (*DEMO_PORTS, *stress_ports(PORTS)))
        return load_directory(Path(folder))


def submissions(settings: Settings, count: int, distinct: bool) -> list[Submission]:
    """Submissions of the sample traffic, with `distinct` texts or each text ten times."""
    start = int(time() * 1000)
    wanted = count if distinct else max(1, count // 10)
    found: list[Submission] = []
    for n, sample in enumerate(generate(11, 4 * wanted + 1000, start, 240.0)):
        if sample.what == "submission":
            line = msgspec.convert(sample.body, door.SubmissionIn)
            found.append(door.submission(line, settings, sample.at, f"bench-{n}"))
            if len(found) == wanted:
                break
    if distinct:
        return [
            msgspec.structs.replace(s, content=f"{s.content}{chr(0x4E00 + n % 5000)}{chr(0x4E00 + n // 5000)}")
            for n, s in enumerate(found)
        ]
    return [s for s in found for _ in range(10)]


def run(settings: Settings, count: int) -> dict[str, Any]:
    """Submissions/s and µs by stage for both loads; `peak_mb` is the peak memory of this process."""
    config = demo_config()
    return {
        "batch": BATCH,
        "rules": len(config.policy.rules) if config.policy else 0,
        "counters": len(config.policy.counters) if config.policy else 0,
        "distinct_texts": measure(submissions(settings, count, True), config),
        "each_text_ten_times": measure(submissions(settings, count, False), config),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def measure(events: list[Submission], config: Config) -> dict[str, Any]:
    """Measure one load on one core: the whole, then its stages."""
    raw = [encode(event) for event in events]
    batches = [events[i : i + BATCH] for i in range(0, len(events), BATCH)]
    screen(batches[0], MemoryCounters(), config, 0)  # warm up: automata and tables are built on first use
    with _collector_off():
        return _measured(events, raw, batches, config)


def with_campaigns(events: list[Submission], config: Config, campaigns: Iterable[Campaign]) -> float:
    """Submissions/s of CPU time where these campaigns are known; the engine is warm after `measure`."""
    batches = [events[i : i + BATCH] for i in range(0, len(events), BATCH)]
    with _collector_off():
        return 1e6 / _screen_us(batches, config, _known(campaigns))


@contextmanager
def _collector_off() -> Iterator[None]:
    gc.freeze()  # as a worker does before its first poll
    gc.disable()  # as a worker does while it decides a poll
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _measured(
    events: list[Submission], raw: list[bytes], batches: list[list[Submission]], config: Config
) -> dict[str, Any]:
    state, outcomes = MemoryCounters(), []
    seconds, cpu = perf_counter(), process_time()
    for batch in batches:
        outcomes += screen(batch, state, config, 0)
    seconds, cpu = perf_counter() - seconds, process_time() - cpu
    decisions = [outcome.decision for outcome in outcomes if isinstance(outcome, Screened)]
    if len(decisions) != len(events):
        raise RuntimeError(f"{len(events) - len(decisions)} events failed; the figures would not mean anything")
    texts = [list(dict.fromkeys(event.content for event in batch)) for batch in batches]
    normals = [_read(part) for part in texts]
    signed, links = [find_signatures(part) for part in normals], [find_links(part) for part in normals]
    dictionary, model = config.dictionary, config.model
    if dictionary is None or model is None:
        raise RuntimeError("the demo's configuration has no dictionary or model")
    decode = msgspec.json.Decoder(Submission).decode
    stages: dict[str, Callable[[], Any]] = {
        "decode": lambda: [decode(r) for r in raw],
        "normalise": lambda: [_read(part) for part in texts],
        "fingerprint": lambda: [fingerprints(part) for part in normals],
        "links": lambda: [find_links(part) for part in normals],
        "contacts": lambda: [find_contacts(part) for part in normals],
        "signatures": lambda: [find_signatures(part) for part in normals],
        "speakers": lambda: [find_speakers(*part, config.brands) for part in zip(normals, signed, links, strict=True)],
        "keywords": lambda: [dictionary.match_batch(*both) for both in zip(texts, normals, strict=True)],
        "score": lambda: [model.classify(*both) for both in zip(texts, normals, strict=True)],
        "encode": lambda: [encode(d) for d in decisions],
    }
    us = {name: round(_timed(work) * 1e6 / len(events), 2) for name, work in stages.items()}
    screened = cpu * 1e6 / len(events)
    of_texts = sum(us.values()) - us["decode"] - us["encode"]
    # Not part of the sum: the campaign stage is a separate process, and sees every submission.
    campaigns, sendings = Campaigns(BENCH_TEXTS), [Sending(event.accepted_at, event.port) for event in events]
    us["campaign_sketch"] = round(_timed(lambda: [sketch(part) for part in normals]) * 1e6 / len(events), 2)
    contents = [[event.content for event in batch] for batch in batches]
    large = _with_words(dictionary, LARGE)
    us["keywords_of_20000"] = round(_matched_us(large, texts, normals) / len(events), 2)
    whole = _timed(lambda: [campaigns.add(part, sendings[: len(part)]) for part in contents])
    us["campaign_stage"] = round(whole * 1e6 / len(events), 2)
    without_rules = _screen_us(batches, _with_sets(config, counters=True))
    bare = _screen_us(batches, _with_sets(config, counters=False))
    us["rules"] = round(screened - without_rules, 2)
    us["counters"] = round(without_rules - bare, 2)
    us["decision"] = round(bare - of_texts, 2)
    known = _known(campaigns_of(events, config))
    us["known_campaigns"] = round(_screen_us(batches, config, known) - screened, 2)
    alone = [[event] for event in events[:SINGLE]]
    read = [([event.content], _read([event.content])) for [event] in alone]
    single = {
        "screen": _screen_us(alone, config),
        "score": _timed(lambda: [model.classify(*each) for each in read]) * 1e6 / len(alone),
        "keywords": _timed(lambda: [dictionary.match_batch(*each) for each in read]) * 1e6 / len(alone),
    }
    jieba_us = _jieba_us([event.content for event in events])
    return {
        "submissions": len(events),
        "submissions_per_s": round(len(events) / seconds),
        "submissions_per_cpu_s": round(len(events) / cpu),
        "screen_us": round(screened, 2),
        "us_by_stage": us,
        "us_of_a_single_text": {name: round(each, 1) for name, each in single.items()},
        "known_campaigns": len(known),
        "jieba_lcut_us": round(jieba_us, 2),
        "times_jieba_lcut": round(jieba_us / screened, 2),
    }


def _read(texts: list[str]) -> Normals:
    """The normal forms of texts with the views that the dictionary and the classifier share."""
    normals = normalise_batch(texts)
    _ = normals.sounds
    return normals


def _with_words(dictionary: Dictionary, count: int) -> Dictionary:
    """The dictionary with seldom words of the language, `count` words in all."""
    known = {entry.word for entry in dictionary.entries}
    seldom = (
        word for word, often in tokenizer().FREQ.items() if 0 < often < 20 and len(word) > 1 and word not in known
    )
    more = tuple(Entry(word, Category.OTHER, Verdict.REVIEW) for word in islice(seldom, count - len(known)))
    return Dictionary(dictionary.entries + more, "")


def _matched_us(dictionary: Dictionary, texts: list[list[str]], normals: list[Normals]) -> float:
    """CPU time of all batches in µs; the first one is matched before, because it makes tables."""
    dictionary.match_batch(texts[0], normals[0])
    return _timed(lambda: [dictionary.match_batch(*both) for both in zip(texts, normals, strict=True)]) * 1e6


def _screen_us(batches: list[list[Submission]], config: Config, campaigns: KnownCampaigns | None = None) -> float:
    """CPU time of `screen` in µs a submission, with counters that begin at 0."""
    state = MemoryCounters()
    seconds = _timed(lambda: [screen(batch, state, config, 0, campaigns=campaigns) for batch in batches])
    return seconds * 1e6 / sum(map(len, batches))


def _with_sets(config: Config, *, counters: bool) -> Config:
    """The configuration with a policy without rules, and with or without its counters."""
    if config.policy is None:
        return config
    sets = {on: RuleSet((), s.counters if counters else (), s.known) for on, s in config.policy.sets.items()}
    return replace(config, policy=replace(config.policy, sets=sets))


def campaigns_of(events: list[Submission], config: Config) -> list[Campaign]:
    """The campaigns that are published after all events."""
    hot = HotCampaigns(BENCH_TEXTS)
    size = config.policy.campaign_from if config.policy else CampaignFrom()
    for first in range(0, len(events), BATCH):
        part = events[first : first + BATCH]
        sendings = [Sending(each.accepted_at, each.port, each.port, len(each.recipients)) for each in part]
        hot.take([each.content for each in part], sendings, [each.id for each in part], size)
    return hot.news(events[-1].accepted_at, size, {})


def _known(campaigns: Iterable[Campaign]) -> KnownCampaigns:
    """What a worker knows that has read these campaigns."""
    known = KnownCampaigns()
    for campaign in campaigns:
        known.learn(campaign)
    return known


def _jieba_us(texts: list[str]) -> float:
    """CPU time of `jieba.lcut` in µs a text: a yardstick for the speed of the machine."""
    jieba.initialize()
    return _timed(lambda: [jieba.lcut(text) for text in texts]) * 1e6 / len(texts)


def _timed(work: Callable[[], Any]) -> float:
    started = process_time()
    work()
    return process_time() - started
