"""The status of a submission in the form for the port's owner."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.rules.refusals import Refusal

# States of parts, worst first: a message has the state of its worst part.
PARTS = ("failed", "refused", "expired", "stopped", "maybe_sent", "submitting", "submitted", "delivered")
STATES = ("accepted", "held", "in_review", "rejected", "released", *PARTS)
_State = Annotated[
    str,
    Meta(
        description="accepted: not decided yet; held: waits for a time; in_review: waits for a person; rejected; "
        "released: on its way to the carrier; submitting, maybe_sent (an answer was lost), submitted: at the carrier; "
        "delivered, failed, expired: the carrier's report; refused: the carrier did not take it; "
        "stopped: the port was suspended before it left",
        extra_json_schema={"enum": list(STATES)},
    ),
]
_At = Annotated[int, Meta(description="Epoch milliseconds, UTC.")]


POLICY = "policy"  # decided without a reviewer
REVIEWER = "reviewer"  # decided by a reviewer, whose name the port's owner does not get


def told_decider(decided_by: str | None) -> str | None:
    """The decider in the form for the port's owner: POLICY, REVIEWER, or None before a decision."""
    return decided_by if decided_by in (None, POLICY) else REVIEWER


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason of a decision."""

    rule: str
    message: str
    refusal: Annotated[
        str,
        Meta(description="Why a reviewer refused: " + ", ".join(Refusal) + "; empty for other reasons."),
    ] = ""


class RecipientStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of the message to one recipient."""

    recipient: str
    state: _State
    status: Annotated[str, Meta(description="The carrier's word, such as DELIVRD or EXPIRED.")] = ""
    rule: Annotated[str, Meta(description="The rule that made an exception of this recipient.")] = ""


class SubmissionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a submission. Its recipients appear a moment after its acceptance."""

    id: str
    port: Annotated[str, Meta(description="The sender field as given.")]
    state: _State
    accepted_at: _At | None = None
    round: Annotated[int, Meta(description="How often it was held and decided again.")] = 0
    decided_at: _At | None = None
    decided_by: Annotated[str | None, Meta(description="policy, or reviewer.")] = None
    held_until: _At | None = None
    reasons: list[Said] = []
    recipients: list[RecipientStatus] = []
