"""The two streams that are screened: submissions and records."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import topics
from pipeline.events import Record, Submission


@dataclass(frozen=True, slots=True)
class Stream:
    """One consumer group: its lanes (the first one decides membership), its changelog and its kind of event."""

    name: str
    lanes: tuple[topics.Topic, ...]
    changelog: topics.Topic
    event: type[Submission] | type[Record]


SUBMISSIONS = Stream(
    "submissions", (topics.SUBMISSIONS_EXPRESS, topics.SUBMISSIONS_BULK), topics.STATE_SUBMISSIONS, Submission
)
RECORDS = Stream("records", (topics.RECORDS,), topics.STATE_RECORDS, Record)
STREAMS = {stream.name: stream for stream in (SUBMISSIONS, RECORDS)}
