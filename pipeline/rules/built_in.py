"""The ids of the rules that are code; a rule of the policy has the id that its YAML gives it.

They stand in reasons, holds, exceptions, alerts, the history of ports and the lake beside the ids of the policy.
Topics and the lake keep old records for months, so a value never changes.
"""

from __future__ import annotations

from enum import StrEnum


class BuiltInRule(StrEnum):
    """A rule that no policy can switch off; its value is its id on the wire."""

    # What decides a submission or a record before the policy's rules.
    NO_POLICY = "no-policy"  # there is no policy to ask
    NO_PORT_REGISTRY = "no-port-registry"  # there are no ports to look in
    PORT_UNKNOWN = "port-unknown"
    PORT_SUSPENDED = "port-suspended"
    PORT_TERMINATED = "port-terminated"
    BLACK_LISTED = "list-black"  # the sender is on the black list

    # What keeps a message from one recipient.
    RECIPIENT_UNSUBSCRIBED = "recipient-unsubscribed"
    RECIPIENT_BLOCKED = "recipient-blocked"

    # What becomes of a submission that waited.
    SCHEDULED = "scheduled"  # it waits for the time its sender chose
    EXPIRED = "expired"  # the validity period its sender gave has passed
    UNMET = "unmet"  # the fact it waited for (its port registered, a policy) did not come in time
    REVIEWED = "review"  # a reviewer decided
    UNREVIEWED = "unreviewed"  # its case was kept as long as it may be, and nobody decided it
    CHANNEL_UNKNOWN = "channel-unknown"  # the channel of its port is not configured

    # What suspends or terminates a port without a person.
    COMPLAINTS = "complaints"
    REFUSED_BULK = "refused-bulk"

    # What only raises an alert.
    CASE_OVERDUE = "case-overdue"
    RELEASE_WITHOUT_PROOF = "release-without-proof"  # a record for the senders that neither worker nor releaser signed
