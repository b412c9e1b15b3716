"""What a submission or record adds to the campaign of its text."""

from __future__ import annotations

from pipeline.campaigns.index import Sending
from pipeline.decision.configuration import Config
from pipeline.events import Record, RecordKind, Submission


def sending_of(event: Submission | Record, config: Config, source: str, offset: int) -> tuple[Sending, str] | None:
    """Who sent a text, and the name of it; None for what is counted elsewhere.

    That is a round after a hold, and a record of what a port sent, which was a submission before.
    """
    if isinstance(event, Submission):
        if event.round > 0:
            return None
        port = config.ports.find(event.port) if config.ports else None
        code = port.code if port else event.port
        sending = Sending(event.accepted_at, code, event.port, len(event.recipients), source, offset)
        return sending, f"{code}/{event.id}"
    if event.kind is not RecordKind.MO:
        return None
    return Sending(event.ingested_at or event.submitted_at, "", event.sender, 1, source, offset), f"/{event.id}"
