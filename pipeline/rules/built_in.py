"""The ids of the rules that are written in code. The rules of the policy have the ids given in its YAML.

Both kinds of id appear in reasons, holds, exceptions, alerts, the history of ports and the lake.
Topics and the lake keep old records for months, so a value never changes.
"""

from __future__ import annotations

from enum import StrEnum


class BuiltInRule(StrEnum):
    """A rule that no policy can switch off; its value is its id on the wire."""

    # Rules that decide a submission or a record before the policy's rules.
    NO_POLICY = "no-policy"  # no policy is loaded
    NO_PORT_REGISTRY = "no-port-registry"  # no ports are loaded
    PORT_UNKNOWN = "port-unknown"
    PORT_SUSPENDED = "port-suspended"
    PORT_TERMINATED = "port-terminated"
    BLACK_LISTED = "list-black"  # the sender is on the black list

    # Where the policy says `outside_review_hours: refuse`: what needs a person and arrives after closing time, and
    # what still waits for one at closing time.
    REVIEW_CLOSED = "review-closed"

    # Rules that keep a message from one recipient.
    RECIPIENT_UNSUBSCRIBED = "recipient-unsubscribed"
    RECIPIENT_BLOCKED = "recipient-blocked"
    RECIPIENT_NOT_REGISTERED = "recipient-not-registered"  # the port may send to its registered recipients only

    # Outcomes of a submission that waited.
    SCHEDULED = "scheduled"  # the submission waits for the time that its sender chose
    EXPIRED = "expired"  # the validity period that its sender gave has passed
    UNMET = "unmet"  # the missing fact (its port's registration, a policy) did not arrive in time
    REVIEWED = "review"  # a reviewer decided
    UNREVIEWED = "unreviewed"  # its case reached the end of its retention without a decision
    CHANNEL_UNKNOWN = "channel-unknown"  # the channel of its port is not configured

    # Rules that suspend or terminate a port automatically.
    COMPLAINTS = "complaints"
    REFUSED_BULK = "refused-bulk"

    # Rules that only raise an alert.
    CASE_OVERDUE = "case-overdue"
    DAILY_CAP = "daily-cap"  # a rule has reached its daily cap
    RULE_RATE = "rule-rate"  # a rule matches unusually often or rarely
    RULE_RATE_ENDED = "rule-rate-ended"  # in records of earlier versions
    RELEASE_WITHOUT_PROOF = "release-without-proof"  # a record for the senders is not signed by worker or releaser

    # Measures of alert rules (actions/alerts/measures.py).
    MUCH_COMPLAINED = "much-complained"
    MUCH_REFUSED = "much-refused"
    VOLUME = "volume"
    OVER_STRICT = "over-strict"
    TRAFFIC = "traffic"
    DEGRADED = "degraded"
    DEAD_LETTERS = "dead-letters"
    UNDELIVERED = "undelivered"
    CASES_WAITING = "cases-waiting"
    PORTS_SUSPENDED = "ports-suspended"
    UNPUBLISHED = "unpublished"
    ANSWERS_DUE = "answers-due"  # answers to complaints are due soon
    ANSWERS_OVERDUE = "answers-overdue"

    # Orders about numbers.
    ORDERS_GIVEN_UP = "orders-given-up"  # a party did not answer orders about numbers
    NUMBERS_DIFFER = "numbers-differ"  # a party's list of stopped numbers is not ours
