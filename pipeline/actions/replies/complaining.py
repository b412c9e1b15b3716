"""Complaints that subscribers write: to a complaint code, naming who wrote to them, or to the port itself."""

from __future__ import annotations

import structlog
from sqlalchemy import Connection

from pipeline import door
from pipeline.actions.complaints import intake, shapes
from pipeline.errors import AntispamError
from pipeline.settings import Settings

TO_PORT = "mo"  # the source of complaints that are written to the port
_log = structlog.get_logger()


def complain_to_code(
    connection: Connection, source: str, subscriber: str, text: str, at: int, settings: Settings, now: int
) -> bool:
    """Take a message to a complaint code of this source. False: it names no number, and is a message like any other."""
    try:
        line = shapes.of_message(source, settings.complaint_shapes[source], subscriber, text, at)
        complaint = door.complaint(line, settings, now)
    except AntispamError as error:
        _log.warning("complaint_unreadable", source=source, cause=str(error))
        return False
    intake.take(connection, now, [complaint], settings.complaint_shapes)
    return True


def complain_to_port(
    connection: Connection, port: str, subscriber: str, text: str, at: int, settings: Settings, now: int
) -> None:
    """Take a message to a port that begins with a word of complaint; not from a number that nobody can have."""
    try:
        line = door.ComplaintIn(port=port, recipient=subscriber, complained_at=at, content=text, source=TO_PORT)
        complaint = door.complaint(line, settings, now)
    except AntispamError as error:
        _log.warning("complaint_unreadable", source=TO_PORT, cause=str(error))
        return
    intake.take(connection, now, [complaint], settings.complaint_shapes)
