"""The last check before a SUBMIT: whether the port may still send and the message is still valid.

The states of ports are read from the operational database a few times a second. If the last read is older than
`STALE`, the gate stays closed until the database answers. So no SUBMIT starts later than `STALE` after the commit of a
suspension.
"""

from __future__ import annotations

from sqlalchemy import func, select

from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.decision.standing import may_send
from pipeline.events import PortState
from pipeline.store import schema
from pipeline.store.database import Database

POLL = 0.2  # seconds between reads
STALE = 0.75  # seconds after which the last read is too old


class Gate:
    """The ports that may send, as last read. Unregistered ports may not send."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._registered: frozenset[str] = frozenset()
        self._closed: dict[str, str] = {}  # the state of each port that is not open, by code
        self._seen_at = float("-inf")

    def look(self) -> None:
        """Read the states of the ports. Raises AntispamError if the database does not answer."""
        begun = self._clock.monotonic()  # before the query: the states are at least as new as this moment
        with self._db.read() as connection:
            # Read all codes only if their number has changed: 100,000 codes take 0.3 s (measured).
            if connection.scalar(select(func.count()).select_from(schema.ports)) != len(self._registered):
                self._registered = frozenset(connection.scalars(select(schema.ports.c.code)))
            closed = select(schema.ports.c.code, schema.ports.c.state).where(schema.ports.c.state != PortState.OPEN)
            self._closed = {row.code: row.state for row in connection.execute(closed)}
        self._seen_at = begun

    @property
    def stale(self) -> bool:
        """Whether the gate is closed for all ports, because the last read is too old."""
        return self._clock.monotonic() - self._seen_at > STALE

    def refusal(self, part: Part) -> DeliveryState | None:
        """The final state of a part that may not be sent any more; None if it may be sent."""
        if may_send(self._state(part.code)) is not None:
            return DeliveryState.STOPPED
        if part.valid_until is not None and self._clock.wall() > part.valid_until:
            return DeliveryState.EXPIRED
        return None

    def _state(self, code: str) -> PortState | None:
        if code in self._closed:
            return PortState(self._closed[code])
        return PortState.OPEN if code in self._registered else None
