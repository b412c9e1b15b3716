"""The decision function: a verdict with its reasons for each submission and record.

Pure: no Kafka, no clock, no I/O. The same function serves live traffic, `antispam screen`, backtests,
benchmarks and every test. Facts that depend only on a text (dictionary, score, fingerprint) are computed
once per distinct text of a batch. Facts that depend on counters are computed event by event, in order. So
cutting a stream into other batches never changes a decision.

Order of authority: missing policy or registry, unknown port, suspended or terminated port, black
list, allow lane (skips volume and score rules only), rules. The most severe enforced reason wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pipeline.campaigns.known import KnownCampaigns
from pipeline.decision.configuration import Config
from pipeline.decision.facts import cause_of, facts_of
from pipeline.decision.outcome import Outcome
from pipeline.decision.standing import may_send
from pipeline.events import (
    AlertLevel,
    Decision,
    Kind,
    Reason,
    RecipientException,
    Record,
    RecordKind,
    Submission,
    Verdict,
)
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.context import Context, Facts
from pipeline.rules.counting.counters import Counters
from pipeline.rules.counting.keys import amount_of, keys_of
from pipeline.rules.lists import ListEntry, Lists
from pipeline.rules.policy import On, Policy, Rule
from pipeline.rules.ports import Port
from pipeline.rules.signals import OF_CAMPAIGN, read
from pipeline.rules.words.dictionary import in_force


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that could not be screened; the rest of its batch was. `cause` contains no message text."""

    index: int
    cause: str


@dataclass(frozen=True, slots=True)
class Screened:
    """A decision, with the port and the rules' alerts that only its consequences need."""

    decision: Decision
    port: Port | None
    alerts: tuple[tuple[AlertLevel, str, str], ...] = ()


def screen(
    batch: Sequence[Submission | Record],
    state: Counters,
    config: Config,
    now: int,
    late_ms: int = 600_000,
    campaigns: KnownCampaigns | None = None,
) -> list[Screened | Failure]:
    """Decide a batch in order and return one outcome per event.

    `now` (epoch ms) stamps the decisions. It also decides which `campaigns` are alive and whether the scheduled time
    of a later round has come, and it is the local time of a later round. Windows run on `accepted_at` of submissions
    and on `submitted_at` of records. Counters move once, in round 0; later rounds read them. A record ingested more
    than `late_ms` after its event time is marked late.
    """
    started = perf_counter()
    texts = list(dict.fromkeys(event.content for event in batch))
    facts, faults = facts_of(texts, config, campaigns, now)
    content_us = (perf_counter() - started) * 1e6 / max(1, len(batch))
    outcomes: list[Screened | Failure] = []
    for index, event in enumerate(batch):
        known = facts.get(event.content)
        if known is None:
            outcomes.append(Failure(index, faults[event.content]))
            continue
        state.begin(index)
        try:
            if isinstance(event, Submission):
                outcomes.append(_submission(event, known, state, config, now, content_us))
            else:
                outcomes.append(_record(event, known, state, config, now, late_ms, content_us))
        except Exception as error:  # noqa: BLE001 - an error of one event must not stop the rest of the batch
            outcomes.append(Failure(index, cause_of(error)))
    return outcomes


def _submission(
    event: Submission, facts: Facts, state: Counters, config: Config, now: int, content_us: float
) -> Screened:
    at = event.accepted_at
    port = config.ports.find(event.port) if config.ports else None
    template = port.fitting(event.content, facts.links, facts.contacts) if port else None
    kind = template.kind if template else port.kind if port else Kind.NOTICE
    policy = config.policy
    limits = policy.port_limits_5m if policy else {}
    leaves = max(now if event.round else at, event.scheduled_at or 0)
    calendar = config.calendar.in_zone(port.entry.zone) if port else config.calendar
    moment = calendar.moment(leaves)
    hits = in_force(facts.hits, at)
    context = Context(
        event, facts, port, template, kind, hits, limits, moment, config.brands, config.consents, config.ports
    )
    counted_all = _count("submission", context, state, policy, at)
    decided = _authority(event.port, port, config, at)
    outcome = Outcome(context, at, reviewed=event.reviewed)
    waits = event.scheduled_at is not None and event.scheduled_at > (now if event.round else at)
    if waits:
        outcome.reasons.append(_reason(BuiltInRule.SCHEDULED, Verdict.HOLD, 0, "未到预定发送时间"))
    if decided is not None:
        outcome.reasons.append(decided)
    elif policy is not None:
        outcome.apply(policy, "submission", allowed=_listed(config.lists.allow, event.port, port, at) is not None)
    verdict, reasons = outcome.most_severe()
    hold_until = None
    if verdict is Verdict.HOLD and outcome.holds:
        hold_until = _hold_end(outcome.holds, event, leaves, calendar)
    # SCHEDULED has the lowest severity: another hold wins, and its event waits for the missing fact instead.
    elif waits and reasons[0].rule == BuiltInRule.SCHEDULED:
        hold_until = event.scheduled_at
    return _screened(
        outcome,
        config,
        port,
        counted_all,
        now,
        content_us,
        id=event.id,
        round=event.round,
        source="submission",
        port=port.code if port else event.port,
        sender=event.port,
        kind=kind,
        messages=len(event.recipients),
        accepted_at=at,
        hold_until=hold_until,
        verdict=verdict,
        reasons=reasons,
        exceptions=_exceptions(event, port, kind, verdict, outcome.excepted, config.lists),
    )


def _record(
    event: Record, facts: Facts, state: Counters, config: Config, now: int, late_ms: int, content_us: float
) -> Screened:
    at = event.submitted_at
    port = None
    if event.kind is not RecordKind.MO and config.ports:
        port = config.ports.find(event.sender)
    kind = port.kind if port else Kind.PERSONAL
    policy = config.policy
    template = port.fitting(event.content, facts.links, facts.contacts) if port else None
    limits = policy.port_limits_5m if policy else {}
    moment = (config.calendar.in_zone(port.entry.zone) if port else config.calendar).moment(at)
    hits = in_force(facts.hits, at)
    context = Context(
        event, facts, port, template, kind, hits, limits, moment, config.brands, config.consents, config.ports, late_ms
    )
    counted_all = _count("record", context, state, policy, at)
    outcome = Outcome(context, at)
    listed = _listed(config.lists.black, event.sender, port, at)
    if policy is None:
        outcome.reasons.append(_reason(BuiltInRule.NO_POLICY, Verdict.HOLD, 100, "没有生效的策略"))
    elif listed is not None:
        outcome.reasons.append(_reason(BuiltInRule.BLACK_LISTED, Verdict.REJECT, 100, f"黑名单：{listed.reason}"))
    else:
        outcome.apply(policy, "record", allowed=_listed(config.lists.allow, event.sender, port, at) is not None)
    verdict, reasons = outcome.most_severe()
    return _screened(
        outcome,
        config,
        port,
        counted_all,
        now,
        content_us,
        id=event.id,
        round=0,
        source="record",
        port=port.code if port else "",
        kind=kind,
        messages=1,
        accepted_at=at,
        verdict=verdict,
        reasons=reasons,
        exceptions=(),
    )


def _screened(
    outcome: Outcome,
    config: Config,
    registered: Port | None,
    counted_all: bool,
    now: int,
    content_us: float,
    **own: Any,
) -> Screened:
    """Build a decision from the fields that submissions and records share and from their `own` fields."""
    facts, policy, dictionary, model = outcome.context.facts, config.policy, config.dictionary, config.model
    decision = Decision(
        score=facts.score,
        label=facts.label,
        category=facts.category,
        fingerprint=facts.fingerprint,
        campaign=facts.campaign.id if facts.campaign else "",
        epoch=config.epoch,
        policy=policy.version if policy else None,
        dictionary=dictionary.version if dictionary else None,
        model=model.version if model else None,
        counters=outcome.context.counted,
        degraded=model is None or dictionary is None or outcome.degraded or not counted_all,
        shadow=tuple(outcome.shadow),
        decided_at=now,
        timings={"content_us": content_us},
        **own,
    )
    return Screened(decision, registered, tuple(outcome.alerts))


def _count(on: On, context: Context, state: Counters, policy: Policy | None, at: int) -> bool:
    """Move (round 0) or read this event's counters. Returns False if a counter's condition cannot be evaluated."""
    if policy is None:
        return True
    rules, event, counted = policy.sets[on], context.event, context.counted
    value_of = state.read if isinstance(event, Submission) and event.round > 0 else state.add
    early = read(rules.early, context)
    counting, failed = rules.counted(early)
    for counter in counting:
        amount = amount_of(counter, context, early)
        values = [value_of(counter, key, at, amount) for key in keys_of(counter, context)]
        if values:
            counted[counter.name] = max(values)
    if context.facts.campaign is not None:
        counted |= read(OF_CAMPAIGN, context)
    return not failed


def _hold_end(rules: Sequence[Rule], event: Submission, leaves: int, calendar: Calendar) -> int:
    """When the hold of these rules ends.

    A length comes before a local time: afterwards the event is screened again and then waits for the local time. So
    a short wait for a fact (bulk-grace) is not lost in a long one. Each round adds one length from acceptance, so an
    event that is held again waits again.
    """
    lengths = [rule.hold_ms for rule in rules if rule.hold_ms is not None]
    if lengths:
        return event.accepted_at + max(lengths) * (event.round + 1)
    return max(calendar.next(leaves, rule.hold_until) for rule in rules if rule.hold_until is not None)


def _authority(sender: str, port: Port | None, config: Config, at: int) -> Reason | None:
    """The reason that decides a submission before its rules, or None if the rules decide."""
    if config.policy is None:
        return _reason(BuiltInRule.NO_POLICY, Verdict.HOLD, 100, "没有生效的策略，暂不放行")
    if config.ports is None:
        return _reason(BuiltInRule.NO_PORT_REGISTRY, Verdict.HOLD, 100, "没有端口登记表，暂不放行")
    listed = _listed(config.lists.black, sender, port, at)
    rule = may_send(port.state if port else None, black_listed=listed is not None)
    if rule is None:
        return None
    if rule is BuiltInRule.PORT_UNKNOWN:
        return _reason(rule, Verdict.HOLD, 90, "未登记的端口")
    if rule is BuiltInRule.BLACK_LISTED and listed is not None:
        return _reason(rule, Verdict.REJECT, 95, f"黑名单：{listed.reason}")
    return _reason(rule, Verdict.REJECT, 100, "端口已暂停或终止")


def _listed(entries: Any, sender: str, port: Port | None, at: int) -> ListEntry | None:
    for value in (sender, port.code if port else sender):
        entry: ListEntry | None = entries.get(value)
        if entry is not None and entry.expires > at:
            return entry
    return None


def _reason(rule: BuiltInRule, verdict: Verdict, severity: int, message: str) -> Reason:
    return Reason(rule=rule, verdict=verdict, severity=severity, message=message, values={})


def _exceptions(
    event: Submission, port: Port | None, kind: Kind, verdict: Verdict, excepted: Mapping[str, str], lists: Lists
) -> tuple[RecipientException, ...]:
    """Recipients that must not get the message although others may. Empty for a rejected submission.

    `excepted` are those of the policy's rules. The lists come first: their entries name this very number.
    """
    if verdict.severity >= Verdict.REJECT.severity:
        return ()
    listed = lists.unreachable(event.recipients, port.code if port else "", kind, event.accepted_at)
    found: Mapping[str, str] = {**excepted, **listed}
    return tuple(
        RecipientException(recipient=recipient, verdict=Verdict.REJECT, rule=rule) for recipient, rule in found.items()
    )
