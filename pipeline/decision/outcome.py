"""The combined result of all rules for one event: reasons, shadow outcomes, alerts, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pipeline.events import AlertLevel, Reason, ShadowOutcome, Span, Submission, Suppressed, SuppressedBy, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.context import Context
from pipeline.rules.counting.counters import Counter
from pipeline.rules.messages import built_in
from pipeline.rules.policies.daily_cap import DailyCap
from pipeline.rules.policies.policy import Policy, Rule
from pipeline.rules.signals import Signal, read
from pipeline.rules.snoozes import Snoozes

NONE: Mapping[str, Any] = MappingProxyType({})
MAX_SPANS = 20  # bounds the decision of a text that is full of dictionary words


class RuleAlert(NamedTuple):
    """An alert that a rule asks for: its message in the default language, and the values in it.

    `part` tells alerts of one rule and subject apart.
    """

    level: AlertLevel
    rule: str
    message: str
    values: dict[str, Any]
    part: str = ""


class Outcome(Struct, gc=False):  # no GC: there is one for each event, and none holds a cycle
    """The combined result of all rules for one event.

    `decided` events have a reason that comes before all rules. `warned` are the reasons of which the owner of the port
    is told. `allowed` events skip volume and score rules. `excepted`
    are recipients, each with the rule that refuses the message for this recipient only.
    """

    context: Context
    at: int
    snoozes: Snoozes
    reviewed: bool = False
    decided: bool = False
    allowed: bool = False
    degraded: bool = False
    reasons: tuple[Reason, ...] = ()
    shadow: tuple[ShadowOutcome, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    alerts: tuple[RuleAlert, ...] = ()
    warned: tuple[Reason, ...] = ()
    holds: tuple[Rule, ...] = ()
    excepted: Mapping[str, str] = NONE

    def under(self, policy: Policy) -> Outcome:
        """This outcome before any rule and counter, for the evaluation of the same event under another policy."""
        context = replace(self.context, limits_5m=policy.port_limits_5m, counted={}, counted_each=None)
        other = Outcome(context, self.at, self.snoozes, self.reviewed)
        other.reasons = self.reasons
        other.decided, other.allowed = self.decided, self.allowed
        return other

    def without_effect(self, policy: Policy) -> ShadowOutcome:
        """The verdict as one of a policy that does not decide."""
        verdict, reasons = self.most_severe()
        return ShadowOutcome(rule=reasons[0].rule if reasons else "", verdict=verdict, policy=policy.version)

    def apply(
        self,
        matched: Sequence[Rule],
        known: Mapping[str, Signal],
        count: Callable[[Counter], int],
        made: dict[tuple[Any, ...], Reason],
    ) -> None:
        """Apply the rules that match. `known` are all signals by name.

        `count` gives the value of the counter of a daily cap with this event. `made` keeps the reasons by pair, rule
        and the values of the rule's `own` signals.
        """
        pair, snoozed = self.context.pair, self.snoozes.by_rule
        for rule in matched:
            if rule.expires is not None and rule.expires <= self.at:
                continue
            if (self.allowed and rule.skippable) or (self.reviewed and rule.verdict is Verdict.REVIEW):
                continue
            if rule.mode == "shadow":
                self.shadow += (ShadowOutcome(rule=rule.id, verdict=rule.verdict),)
                continue
            snooze = self.snoozes.of(rule.id, self.context, self.at) if rule.id in snoozed else None
            if snooze is not None:
                self._suppress(rule, SuppressedBy.SNOOZE, snooze.scope, snooze.until)
                continue
            if rule.daily_cap is not None and self._is_capped(rule, rule.daily_cap, count):
                continue
            if rule.recipients is not None:
                self._except(rule, known[rule.recipients], self._values(rule, known))
                continue
            key: tuple[Any, ...] = (pair, rule.id)
            if rule.own:
                key += tuple([known[name].read(self.context) for name in rule.own])
            reason = made.get(key)
            if reason is None:
                reason = made[key] = self._reason(rule, self._values(rule, known))
            self._enforce(rule, reason)

    def _values(self, rule: Rule, known: Mapping[str, Signal]) -> dict[str, Any]:
        return read([known[name] for name in rule.signals], self.context)

    def _suppress(self, rule: Rule, cause: SuppressedBy, scope: str, until: int | None = None) -> None:
        self.suppressed += (Suppressed(rule=rule.id, verdict=rule.verdict, cause=cause, scope=scope, until=until),)

    def _is_capped(self, rule: Rule, cap: DailyCap, count: Callable[[Counter], int]) -> bool:
        """Count a match, and suppress it if it is beyond the cap. The first one that is raises an alert."""
        value = self.context.counted[cap.counter.name] = count(cap.counter)
        if value <= cap.most:
            return False
        event = self.context.event
        of_port = isinstance(event, Submission)
        port = self.context.port
        self._suppress(
            rule, SuppressedBy.DAILY_CAP, f"port/{port.code if port else event.port}" if of_port else "sender"
        )
        if value == cap.most + 1 and not (of_port and event.round):
            values = {"rule": rule.id, "cap": cap.most}
            message = built_in(BuiltInRule.DAILY_CAP, values)
            self.alerts += (RuleAlert(AlertLevel.WARNING, BuiltInRule.DAILY_CAP, message, values, rule.id),)
        return True

    def _except(self, rule: Rule, recipients: Signal, values: dict[str, Any]) -> None:
        """Refuse the message for the recipients of this signal for whom, with their own counters, the rule matches."""
        own = {name: each for name, each in (self.context.counted_each or NONE).items() if name in values}
        held: dict[tuple[int, ...], bool] = {}
        excepted = dict(self.excepted)
        for recipient in recipients.recipients(self.context) if recipients.recipients else ():
            counts = tuple([each[recipient] for each in own.values()])
            if counts not in held:
                held[counts] = not counts or rule.holds(values | dict(zip(own, counts, strict=True)))
            if held[counts]:
                excepted.setdefault(recipient, rule.id)
        self.excepted = excepted
        if rule.alert is not None:
            self._alert(rule, rule.alert, rule.message(values), values)

    def _reason(self, rule: Rule, values: dict[str, Any]) -> Reason:
        return Reason(
            rule=rule.id,
            verdict=rule.verdict,
            severity=rule.severity,
            message=rule.message(values),
            values=values,
            spans=self._spans(rule),
        )

    def _enforce(self, rule: Rule, reason: Reason) -> None:
        self.reasons += (reason,)
        if rule.alert is not None:
            self._alert(rule, rule.alert, reason.message, reason.values)
        if rule.warn_owner:
            self.warned += (reason,)
        if rule.verdict is Verdict.HOLD:
            self.holds += (rule,)

    def _alert(self, rule: Rule, level: AlertLevel, message: str, values: dict[str, Any]) -> None:
        shown = {name: values[name] for name in rule.shown}
        self.alerts += (RuleAlert(level, rule.id, message, shown),)

    def _spans(self, rule: Rule) -> tuple[Span, ...]:
        """The places in the raw text that the rule's signals refer to."""
        facts = self.context.facts
        if not rule.spans:
            return ()
        spans: list[Span] = []
        if "words" in rule.spans:
            spans += [
                Span(start=h.start, end=h.end, word=h.word, category=h.category.value, via=h.via)
                for h in self.context.hits
            ]
        if "links" in rule.spans:
            spans += [Span(start=x.start, end=x.end, word=x.domain, via="link") for x in facts.links]
        if "contacts" in rule.spans:
            spans += [Span(start=x.start, end=x.end, word=x.kind, via="contact") for x in facts.contacts]
        if "signatures" in rule.spans:
            spans += [Span(start=x.start, end=x.end, word=x.name, via="signature") for x in facts.signatures]
        if "speakers" in rule.spans:
            named = [x for x in facts.speakers if x.speaks] or facts.speakers
            spans += [Span(start=x.start, end=x.end, word=x.brand.name, via="brand") for x in named]
        return tuple(spans[:MAX_SPANS])

    def most_severe(self) -> tuple[Verdict, tuple[Reason, ...]]:
        """The most severe verdict, and all reasons with the deciding reason first."""
        if len(self.reasons) < 2:
            return (self.reasons[0].verdict if self.reasons else Verdict.RELEASE), self.reasons
        ordered = sorted(self.reasons, key=lambda r: (-r.verdict.severity, -r.severity, r.rule))
        return ordered[0].verdict, tuple(ordered)
