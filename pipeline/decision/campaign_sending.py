"""What a submission or record adds to the campaign of its text."""

from __future__ import annotations

from pipeline.campaigns.index import Sending
from pipeline.decision.configuration import Config
from pipeline.events import Record, RecordKind, Submission


def sending_of(event: Submission | Record, config: Config, source: str, offset: int) -> tuple[Sending, str] | None:
    """The sender and the member name of a text; None for an event whose message is already counted.

    Already counted are later rounds after a hold, and AO and MT records, which were counted as submissions.
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
