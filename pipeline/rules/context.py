"""The input of the signals: the facts of a text, and one event with its port, its words and its counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.events import Campaign, Category, Kind, Label, Tier
from pipeline.rules.clock.calendar import Moment
from pipeline.rules.consents import Consents
from pipeline.rules.ports import Port, Ports
from pipeline.rules.speaker.names import BrandNames
from pipeline.rules.speaker.speakers import Speaker
from pipeline.rules.templates import Template
from pipeline.rules.words.dictionary import Hit
from pipeline.text.contacts import Contact
from pipeline.text.links import Link
from pipeline.text.signatures import Signature


class Facts(msgspec.Struct, frozen=True, gc=False):
    """The facts of a text alone. They do not depend on time, so `hits` includes overlapping and expired words.

    `folded` is the text without the disguises of single characters (text/folding.py). `unsubscribe` are the words that
    the text offers as an answer to unsubscribe. `salutation`: the text begins with the name of its reader.
    """

    fingerprint: str
    folded: str
    techniques: tuple[str, ...]
    links: tuple[Link, ...]
    contacts: tuple[Contact, ...]
    unsubscribe: tuple[str, ...]
    salutation: bool
    hits: tuple[Hit, ...]
    score: float | None
    reject_score: float
    label: Label | None
    category: Category | None
    challenger_score: float | None
    campaign: Campaign | None
    signatures: tuple[Signature, ...]
    speakers: tuple[Speaker, ...]


class Context(msgspec.Struct, gc=False):  # no GC: there is one for each event, and none holds a cycle
    """One event under a policy.

    `event` is a Submission or a Record; `Signal.on` says which of the two a signal reads. `pair` is a number that all
    events of its batch with the same sender, text and words in force share. `template` is the template of
    `port` that the text fits. `hits` are the words in force at the event's time. `limits_5m` are the policy's limits
    by tier, in messages in 5 minutes. `moment` is the local time at which the message leaves, `screened` that of this
    screening. `consents` are all consents in force. A record is late if it arrived more than `late_ms` after its event
    time. `watched`: the sender is on the list of this name. `counted` holds the event's counters; it is empty while
    the conditions of the counters are evaluated.
    `counted_each` holds the counters whose key is the recipient, by recipient, if the event has several.
    """

    event: Any
    pair: int
    facts: Facts
    port: Port | None
    template: Template | None
    kind: Kind
    hits: tuple[Hit, ...]
    limits_5m: Mapping[Tier, int]
    moment: Moment
    screened: Moment
    brands: BrandNames
    consents: Consents
    ports: Ports | None
    late_ms: int = 0
    watched: bool = False
    counted: dict[str, int] = {}
    counted_each: Mapping[str, Mapping[str, int]] | None = None
    _without_consent: tuple[str, ...] | None = None

    @property
    def consent_scopes(self) -> tuple[str, ...]:
        """The scopes of the port for which consents are kept."""
        return self.consents.scopes(self.port.code, self.port.entry.enterprise) if self.port else ()

    def without_consent(self) -> tuple[str, ...]:
        """The recipients of a commercial submission who gave no consent; none if no records are kept for its port."""
        if self._without_consent is None:
            scopes = self.consent_scopes if self.kind is Kind.COMMERCIAL else ()
            event = self.event
            found = self.consents.missing(event.recipients, scopes, event.accepted_at) if scopes else ()
            self._without_consent = found
        return self._without_consent
