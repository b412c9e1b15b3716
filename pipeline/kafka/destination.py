"""Where an event goes: its topic, and the key that decides its partition."""

from __future__ import annotations

from pipeline import topics
from pipeline.events import Complaint, Priority, Record, Submission
from pipeline.rules.ports import Ports


def destination(event: Submission | Record | Complaint, ports: Ports) -> tuple[str, str]:
    """Topic and key of an event: submissions by their registered port, records by sender."""
    if isinstance(event, Submission):
        bulk = event.priority is Priority.BULK
        return (topics.SUBMISSIONS_BULK if bulk else topics.SUBMISSIONS_EXPRESS).name, ports.key(event.port)
    if isinstance(event, Record):
        return topics.RECORDS.name, event.sender
    return topics.COMPLAINTS.name, ports.key(event.port)
