"""The last look before a SUBMIT: may this port still send, is the message still valid?

The states of ports are read from the operational database a few times a second. What is known may be
so old and no older: when the database does not answer, the gate is closed until it does. So no SUBMIT
starts later than `STALE` after a suspension has been committed.
"""

from __future__ import annotations

from sqlalchemy import func, select

from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.decision.standing import may_send
from pipeline.events import PortState
from pipeline.store import schema
from pipeline.store.database import Database

POLL = 0.2  # seconds between looks
STALE = 0.75  # seconds after which what was seen is not believed


class Gate:
    """Ports that may send, as last seen: none that is not registered."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._registered: frozenset[str] = frozenset()
        self._closed: dict[str, str] = {}  # the state of each port that is not open, by code
        self._seen_at = float("-inf")

    def look(self) -> None:
        """Read the states of the ports. Raises AntispamError when the database does not answer."""
        begun = self._clock.monotonic()  # what is read is at least as new as the moment before it was asked for
        with self._db.read() as connection:
            # All codes only when there are more or fewer than before: 100,000 of them take 0.3 s (measured).
            if connection.scalar(select(func.count()).select_from(schema.ports)) != len(self._registered):
                self._registered = frozenset(connection.scalars(select(schema.ports.c.code)))
            closed = select(schema.ports.c.code, schema.ports.c.state).where(schema.ports.c.state != PortState.OPEN)
            self._closed = {row.code: row.state for row in connection.execute(closed)}
        self._seen_at = begun

    @property
    def stale(self) -> bool:
        """Nothing may be sent now, since nobody knows which ports may."""
        return self._clock.monotonic() - self._seen_at > STALE

    def refusal(self, part: Part) -> DeliveryState | None:
        """Why this part may not be sent any more; None when it may."""
        if may_send(self._state(part.code)) is not None:
            return DeliveryState.STOPPED
        if part.valid_until is not None and self._clock.wall() > part.valid_until:
            return DeliveryState.EXPIRED
        return None

    def _state(self, code: str) -> PortState | None:
        if code in self._closed:
            return PortState(self._closed[code])
        return PortState.OPEN if code in self._registered else None
