"""One SMS part on its way to a carrier, and what can become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DeliveryState(StrEnum):
    """What is known of a part; the `state` of its row in `deliveries`."""

    SUBMITTING = "submitting"  # the intent is stored; the carrier may see it any moment
    MAYBE_SENT = "maybe_sent"  # SUBMIT was written, its answer never seen
    SUBMITTED = "submitted"  # the carrier took it and named it
    DELIVERED = "delivered"
    FAILED = "failed"  # the carrier's report says so
    REFUSED = "refused"  # the carrier's answer says so
    EXPIRED = "expired"  # its validity ended before it was sent
    STOPPED = "stopped"  # its port was suspended before it was sent


FINAL = frozenset(
    (
        DeliveryState.DELIVERED,
        DeliveryState.FAILED,
        DeliveryState.REFUSED,
        DeliveryState.EXPIRED,
        DeliveryState.STOPPED,
    )
)
DOUBTFUL = frozenset((DeliveryState.SUBMITTING, DeliveryState.MAYBE_SENT))
# Carriers' words for a message that is still on its way: CMPP's ACCEPTD, SMPP's ENROUTE, ACCEPTD and SCHEDULED, and
# the BUFFERED that gateways invented; a report of CMPP has room for seven letters.
_ON_THE_WAY = frozenset(
    (
        "ACCEPTD",
        "ACCEPTE",
        "ACCEPTED",
        "ENROUTE",
        "BUFFRED",
        "BUFFERD",
        "BUFFERE",
        "BUFFERED",
        "SCHEDUL",
        "SCHEDULED",
    )
)
MOST_SUBMITS = 20  # of one part, whatever the cause: a part on which a carrier closes its links must have an end

Key = tuple[str, str, int, int]


@dataclass(slots=True, eq=False)
class Part:
    """Part `number` of message `n` of a submission; `frame` is its SUBMIT under any sequence number.

    `code` is the registered port, `port` the sender field as given. `tries` counts the SUBMITs that the carrier
    may have taken, `silences` those it did not answer in time. `submitted_at` (epoch ms) is the time of the first.
    A link leaves what became of the part in `state`, `carrier_id` and `status`. `again` says that it may be sent
    again, `alone` that it was in doubt when a link was lost, `stored` that it has a row.
    """

    port: str
    code: str
    submission: str
    n: int
    number: int
    recipient: str
    frame: bytes
    valid_until: int | None
    message: Any = None
    state: DeliveryState = DeliveryState.SUBMITTING
    again: bool = False
    alone: bool = False
    stored: bool = False
    carrier_id: str | None = None
    status: str = ""
    tries: int = 0
    silences: int = 0
    throttled: int = 0
    sequence: int = 0
    submitted_at: int | None = None

    @property
    def key(self) -> Key:
        """The key of its row."""
        return self.port, self.submission, self.n, self.number

    def may_repeat(self, silences: int) -> bool:
        """Whether a part in doubt may be sent once more; `silences` is the channel's limit of unanswered SUBMITs.

        A lost link is not the part's fault and does not count as silence.
        """
        return self.silences < silences and self.tries < MOST_SUBMITS


def outcome(status: str) -> DeliveryState | None:
    """What a carrier's word in a report means; None while the message is on its way and its final word follows.

    Words differ by carrier (there are hundreds of failure codes), so every other word means that it failed.
    """
    word = status.strip().upper()
    if word in _ON_THE_WAY:
        return None
    return DeliveryState.DELIVERED if word == "DELIVRD" else DeliveryState.FAILED
