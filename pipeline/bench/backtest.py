"""`antispam bench backtest`: a lake of invented traffic, replayed unchanged and with one number changed.

The traffic is decided under three policies: the shipped one, one with another limit, one with a changed counter. A
replay of what was in force must find no difference.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter, time
from typing import Any

import msgspec

from pipeline import door
from pipeline.bench.live_lake import LiveLake
from pipeline.decision.configuration import ENTERPRISE, default_policy, directory_entries
from pipeline.durations import HOUR_MS
from pipeline.events import Record, Submission
from pipeline.lake.backtest.reports import Report
from pipeline.lake.backtest.run import Question, backtest
from pipeline.lake.backtest.sweep import with_number
from pipeline.sample.config import write_config
from pipeline.sample.traffic import generate
from pipeline.sample.wording import phones
from pipeline.settings import Settings

LENGTH_S = 3 * 3600.0
POLL = 500  # events, at most
MOST_MORE = 30  # recipients added to a submission
CHANGED = "bulk-declared.messages", "10"  # the shipped rule has 50


def run(count: int) -> dict[str, Any]:
    """Fill a lake with `count` events in a temporary folder, and run both backtests.

    The second policy is the last one in force with another number (CHANGED).
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        since = int(time() * 1000) // HOUR_MS * HOUR_MS - int(LENGTH_S * 1000)
        begun = perf_counter()
        events = fill(settings, count, since)
        filled = perf_counter() - begun
        until = since + int(LENGTH_S * 1000) + 2 * HOUR_MS
        unchanged = _timed(settings, Question(since, until))
        changed = _timed(settings, Question(since, until, with_number(policies()[-1], *CHANGED, "policy.yaml")))
        return {
            "events": events,
            "filled_seconds": round(filled, 1),
            "unchanged": unchanged,
            "=".join(CHANGED): changed,
        }


def policies() -> tuple[str, str, str]:
    """The policies that are in force one after the other."""
    shipped = default_policy()
    counter = re.sub(r"(name: same_content_5m\n(?: .*\n)*?    window: )5m", r"\g<1>10m", shipped, count=1)
    limit, counter = (with_number(text, "score-review.score", "0.8", "policy.yaml") for text in (shipped, counter))
    return shipped, limit, counter


def fill(settings: Settings, count: int, since: int) -> int:
    """Decide `count` events of the sample traffic from `since` (ms) on, and write them into the lake."""
    live = LiveLake(settings)
    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder), since)
        entries = [entry for entry in directory_entries(Path(folder)) if entry[0] != ENTERPRISE]
    live.configure(entries, since)
    later = [(since + int(LENGTH_S * 1000 * n / 3), text) for n, text in enumerate(policies()) if n]
    polled: list[Submission | Record] = []
    at = since
    number = 0
    for at, event in traffic(settings, count, since):
        if later and at >= later[0][0]:
            live.poll(polled, at)
            polled = []
            live.configure([("policy", "policy.yaml", later.pop(0)[1])], at)
        polled.append(event)
        number += 1
        if len(polled) == POLL:
            live.poll(polled, at)
            polled = []
    live.poll(polled, at)
    live.close(at + HOUR_MS)
    return number


def traffic(settings: Settings, count: int, since: int) -> Iterator[tuple[int, Submission | Record]]:
    """(time, event) of the sample traffic; submissions have up to MOST_MORE more recipients."""
    rng = Random(3)  # noqa: S311 - repeatable chance is the point
    for n, sample in enumerate(generate(11, count, since, LENGTH_S)):
        if sample.what == "submission":
            line = msgspec.convert(sample.body, door.SubmissionIn)
            event = door.submission(line, settings, sample.at, f"bench-{n}")
            more = rng.randrange(MOST_MORE + 1)
            recipients = tuple(dict.fromkeys((*event.recipients, *phones(rng, more))))
            yield sample.at, msgspec.structs.replace(event, recipients=recipients)
        elif sample.what == "record":
            yield sample.at, door.record(msgspec.convert(sample.body, door.RecordIn), settings, sample.at, f"bench-{n}")


def _timed(settings: Settings, question: Question) -> dict[str, Any]:
    begun = perf_counter()
    report = backtest(settings, question, (), question.until, lambda *_: None)
    return {"seconds": round(perf_counter() - begun, 1), **_figures(report)}


def _figures(report: Report) -> dict[str, Any]:
    tested = report.tested[0]
    return {
        "policies_in_force": len(report.live),
        "lead_minutes": report.lead_ms // 60_000,
        "decisions": tested.decisions,
        "messages": tested.messages,
        "differences": tested.differences,
        "other_reasons": tested.other_reasons,
        "skipped": tested.skipped,
        "newly": msgspec.to_builtins(tested.total),
        "rules": len(tested.rules),
        "part_seconds": report.part_seconds,
        "messages_per_second_and_core": report.per_second,
    }
