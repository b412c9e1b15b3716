"""An SMS part on its way to a carrier, and its states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DeliveryState(StrEnum):
    """The state of a part, as in its row in `deliveries`."""

    SUBMITTING = "submitting"  # the intent is stored; the SUBMIT may reach the carrier at any moment
    MAYBE_SENT = "maybe_sent"  # the SUBMIT was written, its answer was not received
    SUBMITTED = "submitted"  # the carrier has accepted it and assigned an id
    DELIVERED = "delivered"
    FAILED = "failed"  # by the carrier's report
    REFUSED = "refused"  # by the carrier's answer
    EXPIRED = "expired"  # its validity ended before its SUBMIT
    STOPPED = "stopped"  # its port was suspended before its SUBMIT


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
# Carriers' status codes for a message in transit: ACCEPTD of CMPP; ENROUTE, ACCEPTD and SCHEDULED of SMPP; BUFFERED of
# some gateways. The shorter forms are from CMPP reports, which have room for seven letters.
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
MOST_SUBMITS = 20  # of one part for any cause; ends a part on which a carrier always closes the link

Key = tuple[str, str, int, int]


@dataclass(slots=True, eq=False)
class Part:
    """Part `number` of message `n` of a submission; `frame` is its SUBMIT, whose sequence number is set later. The
    message has `total` parts.

    `code` is the registered port, `port` the sender field as given. `tries` counts the SUBMITs that the carrier
    may have accepted, `silences` the SUBMITs without an answer in time. `submitted_at` (epoch ms) is the time of the
    first SUBMIT. A link stores its result in `state`, `carrier_id` and `status`. `again`: the part may be sent again.
    `alone`: it was in doubt when a link was lost. `stored`: it has a row. `elsewhere`: the carrier has refused it, but
    another channel may take it. `refusals` counts the answers after which it was tried again.
    """

    port: str
    code: str
    submission: str
    n: int
    number: int
    recipient: str
    frame: bytes
    valid_until: int | None
    total: int = 1
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
    refusals: int = 0
    elsewhere: bool = False
    sequence: int = 0
    submitted_at: int | None = None

    @property
    def key(self) -> Key:
        """The key of the part's row."""
        return self.port, self.submission, self.n, self.number

    def may_repeat(self, silences: int) -> bool:
        """Whether a part in doubt may be sent once more; `silences` is the channel's limit of unanswered SUBMITs.

        A lost link is not the part's fault and does not count as silence.
        """
        return self.silences < silences and self.tries < MOST_SUBMITS


def outcome(status: str) -> DeliveryState | None:
    """The final state for a carrier's status code; None for a message in transit, whose final report follows.

    Carriers use hundreds of different failure codes, so every unknown code means failure.
    """
    word = status.strip().upper()
    if word in _ON_THE_WAY:
        return None
    return DeliveryState.DELIVERED if word == "DELIVRD" else DeliveryState.FAILED
