"""What the rules of one event add up to: reasons, shadow outcomes, alerts, and the verdict."""

from __future__ import annotations

from typing import Any

from pipeline.decision.facts import Facts
from pipeline.events import AlertLevel, Reason, ShadowOutcome, Span, Verdict
from pipeline.rules.policy import On, Policy, Rule
from pipeline.rules.words.dictionary import in_force

_LINK_SIGNALS = frozenset(["links", "short_link", "lookalike_link"])
MAX_SPANS = 20  # a text full of dictionary words must not make a decision larger than the text


class Outcome:
    """What the rules of one event add up to."""

    __slots__ = ("_values", "alerts", "at", "degraded", "facts", "hits", "hold_ms", "reasons", "reviewed", "shadow")

    def __init__(self, facts: Facts, values: dict[str, Any], at: int, *, reviewed: bool = False) -> None:
        self.facts = facts
        self.reviewed = reviewed
        self.hits = in_force(facts.hits, at)
        self.at = at
        self._values = values
        self.reasons: list[Reason] = []
        self.shadow: list[ShadowOutcome] = []
        self.alerts: list[tuple[AlertLevel, str, str]] = []
        self.degraded = False
        self.hold_ms: int | None = None

    def apply(self, policy: Policy, on: On, allowed: bool) -> None:
        """Ask the rules; `allowed` events skip volume and score rules."""
        rules = policy.sets[on]
        values = self._values
        hits, facts = self.hits, self.facts
        values["keywords"] = len(hits)
        values["keyword_verdict"] = max((h.verdict for h in hits), key=_severity).value if hits else ""
        values["keyword_categories"] = sorted({h.category.value for h in hits}) if hits else []
        values["keyword_severity"] = max((h.severity for h in hits), default=0)
        values["techniques"] = list(facts.techniques)
        values["links"] = len(facts.links)
        values["short_link"] = any(link.short for link in facts.links)
        values["lookalike_link"] = any(link.lookalike for link in facts.links)
        values["contacts"] = sorted({contact.kind for contact in facts.contacts})
        values["score"] = -1.0 if self.facts.score is None else self.facts.score
        values["reject_score"] = self.facts.reject_score
        values["challenger_score"] = -1.0 if facts.challenger_score is None else facts.challenger_score
        values["label"] = self.facts.label.value if self.facts.label else ""
        values["category"] = self.facts.category.value if self.facts.category else ""
        matched, failed = rules.matching({name: values[name] for name in rules.signals})
        self.degraded = bool(failed)
        for rule in matched:
            if rule.expires is not None and rule.expires <= self.at:
                continue
            if (allowed and rule.skippable) or (self.reviewed and rule.verdict is Verdict.REVIEW):
                continue
            if rule.mode == "shadow":
                self.shadow.append(ShadowOutcome(rule=rule.id, verdict=rule.verdict))
            else:
                self._enforce(rule)

    def _enforce(self, rule: Rule) -> None:
        seen = {name: self._values[name] for name in rule.signals}
        message = rule.message(seen)
        self.reasons.append(
            Reason(
                rule=rule.id,
                verdict=rule.verdict,
                severity=rule.severity,
                message=message,
                values=seen,
                spans=self._spans(rule),
            )
        )
        if rule.alert is not None:
            self.alerts.append((rule.alert, rule.id, message))
        if rule.hold_ms is not None:
            self.hold_ms = max(self.hold_ms or 0, rule.hold_ms)

    def _spans(self, rule: Rule) -> tuple[Span, ...]:
        """Where the rule's signals were seen in the raw text."""
        names = rule.signals
        spans: list[Span] = []
        if any(name.startswith("keyword") for name in names):
            spans += [
                Span(start=h.start, end=h.end, word=h.word, category=h.category.value, via=h.via) for h in self.hits
            ]
        if any(name in _LINK_SIGNALS for name in names):
            spans += [Span(start=x.start, end=x.end, word=x.domain, via="link") for x in self.facts.links]
        if "contacts" in names:
            spans += [Span(start=x.start, end=x.end, word=x.kind, via="contact") for x in self.facts.contacts]
        return tuple(spans[:MAX_SPANS])

    def settle(self) -> tuple[Verdict, tuple[Reason, ...]]:
        """The most severe verdict, and the reasons, the deciding one first."""
        if not self.reasons:
            return Verdict.RELEASE, ()
        ordered = sorted(self.reasons, key=lambda r: (-r.verdict.severity, -r.severity, r.rule))
        return ordered[0].verdict, tuple(ordered)


def _severity(verdict: Verdict) -> int:
    return verdict.severity
