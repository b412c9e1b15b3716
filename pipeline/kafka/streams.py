"""The streams that are read exactly once: submissions and records to be screened, increments of counters, parts."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import topics
from pipeline.events import Event, Increments, Part, Record, Submission


@dataclass(frozen=True, slots=True)
class Stream:
    """One consumer group: its lanes (the first one decides membership), its changelog and its kind of event."""

    name: str
    lanes: tuple[topics.Topic, ...]
    changelog: topics.Topic
    event: type[Event]


SUBMISSIONS = Stream(
    "submissions", (topics.SUBMISSIONS_EXPRESS, topics.SUBMISSIONS_BULK), topics.STATE_SUBMISSIONS, Submission
)
RECORDS = Stream("records", (topics.RECORDS,), topics.STATE_RECORDS, Record)
COUNTERS = Stream("counters", (topics.COUNTER_INCREMENTS,), topics.STATE_COUNTERS, Increments)
PARTS = Stream("parts", (topics.PARTS,), topics.STATE_PARTS, Part)
STREAMS = {stream.name: stream for stream in (SUBMISSIONS, RECORDS)}  # of workers
