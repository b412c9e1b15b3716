"""What signals are read from: the facts of a text, and one event with its port, its words and its counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.events import Campaign, Category, Kind, Label, Tier
from pipeline.rules.ports import Port
from pipeline.rules.templates import Template
from pipeline.rules.words.dictionary import Hit
from pipeline.text.contacts import Contact
from pipeline.text.links import Link


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a text alone. `hits` holds overlapping and lapsed ones: time is the event's."""

    fingerprint: str
    techniques: tuple[str, ...]
    links: tuple[Link, ...]
    contacts: tuple[Contact, ...]
    hits: tuple[Hit, ...]
    score: float | None
    reject_score: float
    label: Label | None
    category: Category | None
    challenger_score: float | None
    campaign: Campaign | None


@dataclass(slots=True)
class Context:
    """One event under a policy.

    `event` is a Submission or a Record: `Signal.on` says which of them a reader gets. `template` is the one of
    `port` that the text fits. `hits` are the words in force at the event's time. `limits_5m` are the policy's
    messages in 5 minutes by tier. A record that came later than `late_ms` after its event time is late. `counted`
    holds the event's counters; it is empty while their conditions are asked.
    """

    event: Any
    facts: Facts
    port: Port | None
    template: Template | None
    kind: Kind
    hits: tuple[Hit, ...]
    limits_5m: Mapping[Tier, int]
    late_ms: int = 0
    counted: dict[str, int] = field(default_factory=dict)
