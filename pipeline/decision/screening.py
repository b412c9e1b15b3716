"""The decision function: a verdict with its reasons for each submission and record.

Pure: no Kafka, no clock, no I/O. The same function serves live traffic, `antispam screen`, backtests,
benchmarks and every test. Facts that depend only on a text (dictionary, score, fingerprint) are computed
once per distinct text of a batch. Counters move event by event, in order; an event's rules see the values that its
own event left. So cutting a stream into other batches never changes a decision.

A candidate policy is evaluated beside the one in force (candidate.py). It decides the events of its share.

Order of authority: missing policy or registry, unknown port, suspended or terminated port, black
list, allow lane (skips volume and score rules only), rules. The most severe enforced reason wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import msgspec
import numpy as np

from pipeline.campaigns.known import FindsCampaigns
from pipeline.decision.candidate import OncePerEvent
from pipeline.decision.configuration import Config
from pipeline.decision.facts import cause_of, facts_of
from pipeline.decision.outcome import Outcome, RuleAlert
from pipeline.decision.pairs import Pair, Pairs, calendar_of, entry_in_force
from pipeline.decision.standing import may_send
from pipeline.events import (
    Decision,
    Kind,
    Priority,
    Reason,
    RecipientException,
    Record,
    RecordKind,
    Submission,
    Verdict,
)
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.clock.timetable import Timetable, is_open
from pipeline.rules.conditions.columns import Column
from pipeline.rules.context import Context
from pipeline.rules.counting.counters import Counter, Counters
from pipeline.rules.counting.keys import PARTS, Move
from pipeline.rules.lists import Lists
from pipeline.rules.messages import built_in
from pipeline.rules.policies.policy import KINDS, On, Policy, Rule
from pipeline.rules.ports import Port
from pipeline.rules.signals import OF_CAMPAIGN, read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that could not be screened; the rest of its batch was. `cause` contains no message text."""

    index: int
    cause: str


Side = tuple[list[Outcome | Failure], Policy]  # the outcomes of a batch under a policy
ColumnsOf = dict[tuple[int, On], dict[str, Column]]  # columns of signals by side and kind of event


class Screened(msgspec.Struct, frozen=True, gc=False):
    """A decision, with the port, the rules' alerts and the warnings to its owner that only its consequences need."""

    decision: Decision
    port: Port | None
    alerts: tuple[RuleAlert, ...] = ()
    warned: tuple[Reason, ...] = ()


def screen(
    batch: Sequence[Submission | Record],
    state: Counters,
    config: Config,
    now: int,
    late_ms: int = 600_000,
    campaigns: FindsCampaigns | None = None,
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
    outcomes: list[Outcome | Failure] = []
    pairs = Pairs(config, facts)
    for index, event in enumerate(batch):
        if event.content in faults:
            outcomes.append(Failure(index, faults[event.content]))
            continue
        try:
            outcomes.append(_opened(event, pairs, config, now, late_ms))
        except Exception as error:  # noqa: BLE001 - an error of one event must not stop the rest of the batch
            outcomes.append(Failure(index, cause_of(error)))
    beside = _evaluate(outcomes, state, config, now)
    timings = {"content_us": content_us}
    decided: list[Screened | Failure] = []
    for index, outcome in enumerate(outcomes):
        try:
            if isinstance(outcome, Failure):
                decided.append(outcome)
                continue
            deciding, policy = _deciding(outcome, beside[index] if beside else None, config)
            decided.append(_screened(deciding, policy, config, now, timings))
        except Exception as error:  # noqa: BLE001 - an error of one event must not stop the rest of the batch
            decided.append(Failure(index, cause_of(error)))
    return decided


def _opened(event: Submission | Record, pairs: Pairs, config: Config, now: int, late_ms: int) -> Outcome:
    """The outcome of an event before its counters move and its rules are evaluated."""
    if isinstance(event, Submission):
        pair = pairs.of(event.port, event.content, event.accepted_at, from_port=True)
        return _submission(event, pair, config, now)
    pair = pairs.of(event.sender, event.content, event.submitted_at, from_port=event.kind is not RecordKind.MO)
    return _record(event, pair, config, late_ms)


def _submission(event: Submission, pair: Pair, config: Config, now: int) -> Outcome:
    at, sender, template = event.accepted_at, pair.sender, pair.template
    kind = template.kind if template else sender.port.kind if sender.port else Kind.NOTICE
    if event.confirms:
        kind = Kind.NOTICE
    screened = now if event.round else at  # when this round is screened, and a person would be asked
    leaves = max(screened, event.scheduled_at or 0)  # when the message leaves at the earliest
    outcome = Outcome(_context(event, pair, kind, leaves, screened, config, 0), at, config.snoozes, event.reviewed)
    if leaves > screened:
        outcome.reasons = (_reason(BuiltInRule.SCHEDULED, Verdict.HOLD, 0),)
    decided = None if sender.may_send else _authority(pair, config, at)
    if decided is not None:
        outcome.reasons += (decided,)
        outcome.decided = True
    if sender.allow:
        outcome.allowed = entry_in_force(sender.allow, at) is not None
    return outcome


def _context(
    event: Submission | Record, pair: Pair, kind: Kind, leaves: int, screened: int, config: Config, late_ms: int
) -> Context:
    """The context of an event of this kind. `leaves` and `screened` are epoch ms; see Context."""
    calendar = pair.sender.calendar
    moment = calendar.moment(leaves)
    return Context(
        event,
        pair.number,
        pair.facts,
        pair.sender.port,
        pair.template,
        kind,
        pair.hits,
        config.policy.port_limits_5m if config.policy else {},
        moment,
        moment if leaves == screened else calendar.moment(screened),
        config.brands,
        config.consents,
        config.ports,
        late_ms,
        bool(pair.sender.watched) and entry_in_force(pair.sender.watched, screened) is not None,
    )


def _record(event: Record, pair: Pair, config: Config, late_ms: int) -> Outcome:
    at = event.submitted_at
    kind = pair.sender.port.kind if pair.sender.port else Kind.PERSONAL
    outcome = Outcome(_context(event, pair, kind, at, at, config, late_ms), at, config.snoozes)
    listed = entry_in_force(pair.sender.black, at)
    if config.policy is None:
        outcome.reasons = (_reason(BuiltInRule.NO_POLICY, Verdict.HOLD, 100),)
        outcome.decided = True
    elif listed is not None:
        outcome.reasons = (_reason(BuiltInRule.BLACK_LISTED, Verdict.REJECT, 100, entry=listed.reason),)
        outcome.decided = True
    outcome.allowed = entry_in_force(pair.sender.allow, at) is not None
    return outcome


def _evaluate(
    outcomes: list[Outcome | Failure], state: Counters, config: Config, now: int
) -> list[Outcome | Failure] | None:
    """Count and apply the rules of the policy in force; returns the outcomes under the candidate, if there is one."""
    if config.policy is None:
        return None
    sides, beside = [(outcomes, config.policy)], None
    if config.candidate is not None:
        other = config.candidate.policy
        beside = [outcome if isinstance(outcome, Failure) else outcome.under(other) for outcome in outcomes]
        sides.append((beside, other))
    kinds = _by_kind(outcomes)
    columns = _count(sides, kinds, OncePerEvent(state) if beside else state)
    _apply(sides, kinds, OncePerEvent(state) if beside else state, columns)
    for side, policy in sides:
        _refuse_unreviewed(side, policy, config, now)
    return beside


def _deciding(outcome: Outcome, beside: Outcome | Failure | None, config: Config) -> tuple[Outcome, Policy | None]:
    """The outcome that decides, with its policy; it notes the other one's verdict.

    The policy in force decides where the candidate fails, and where something before all rules decides.
    """
    if beside is None or config.policy is None or config.candidate is None or outcome.decided:
        return outcome, config.policy
    if isinstance(beside, Failure):
        outcome.degraded = True
        return outcome, config.policy
    sides = [(outcome, config.policy), (beside, config.candidate.policy)]
    event, port = outcome.context.event, outcome.context.port
    sender = port.code if port else event.port if isinstance(event, Submission) else event.sender
    if config.candidate.decides(sender):
        sides.reverse()
    (deciding, policy), (other, its_policy) = sides
    deciding.shadow += (other.without_effect(its_policy),)
    return deciding, policy


def _screened(outcome: Outcome, policy: Policy | None, config: Config, now: int, timings: dict[str, float]) -> Screened:
    """The decision by this policy on an event whose rules have been applied."""
    context, dictionary, model = outcome.context, config.dictionary, config.model
    event, facts, port = context.event, context.facts, context.port
    verdict, reasons = outcome.most_severe()
    hold_until = None
    exceptions: tuple[RecipientException, ...] = ()
    source, number, sender, messages = "record", 0, "", 1
    if isinstance(event, Submission):
        source, number, sender, messages = "submission", event.round, event.port, len(event.recipients)
        if verdict is Verdict.HOLD:
            hold_until = _hold_until(outcome, reasons, event, config, now)
        exceptions = _exceptions(event, port, context.kind, verdict, outcome.excepted, config.lists)
    decision = Decision(  # by place: 28 keywords take 1.8 us more
        event.id,
        number,
        verdict,
        exceptions,
        facts.score,
        facts.label,
        facts.category,
        reasons,
        config.epoch,
        policy.version if policy else None,
        dictionary.version if dictionary else None,
        model.version if model else None,
        context.counted,
        model is None or dictionary is None or outcome.degraded,
        outcome.shadow,
        now,
        source,
        port.code if port else sender,
        context.kind,
        messages,
        facts.fingerprint,
        outcome.at,
        hold_until,
        timings,
        sender,
        facts.campaign.id if facts.campaign else "",
        outcome.suppressed,
        port.tier if port else None,
        None if facts.score is None else facts.reject_score,
    )
    return Screened(decision, port, outcome.alerts, outcome.warned)


def _hold_until(outcome: Outcome, reasons: Sequence[Reason], event: Submission, config: Config, now: int) -> int | None:
    """When the hold of this outcome ends; None for one that waits for a fact."""
    screened = now if event.round else event.accepted_at
    leaves = max(screened, event.scheduled_at or 0)
    if outcome.holds:
        return _hold_end(outcome.holds, event, leaves, calendar_of(outcome.context.port, config))
    # SCHEDULED has the lowest severity: another hold wins, and its event waits for the missing fact instead.
    return leaves if leaves > screened and reasons[0].rule == BuiltInRule.SCHEDULED else None


def _count(sides: Sequence[Side], kinds: Sequence[tuple[On, list[int]]], state: Counters) -> ColumnsOf:
    """Move (round 0) or read the counters of each event, in order, under each of these policies.

    Returns the columns that the counters' conditions read: most rules read them too.
    """
    columns: ColumnsOf = {(side, on): {} for side in range(len(sides)) for on, _ in kinds}
    for on, indexes in kinds:
        of_kind = []
        for side, (outcomes, policy) in enumerate(sides):
            rules = policy.sets[on]
            ask = partial(rules.counted_each, columns=columns[side, on])
            of_kind.append((outcomes, rules, _asked(ask, outcomes, indexes)))
        for place, index in enumerate(indexes):
            state.begin(index)
            for outcomes, rules, answers in of_kind:
                answer, outcome = answers[place], outcomes[index]
                try:
                    if isinstance(answer, Exception):
                        raise answer
                    _move(answer[0], rules.of_cuts, outcome, state)  # type: ignore[arg-type]
                    if answer[1]:
                        outcome.degraded = True  # type: ignore[union-attr]
                except Exception as error:  # noqa: BLE001 - an error of one event must not stop the rest of the batch
                    outcomes[index] = Failure(index, cause_of(error))
    return columns


def _move(moves: Sequence[Move], of_cuts: Sequence[Move], outcome: Outcome, state: Counters) -> None:
    context, at = outcome.context, outcome.at
    event, counted = context.event, context.counted
    value_of = state.read if isinstance(event, Submission) and event.round > 0 else state.add
    for move in moves:
        counter, keys = move.counter, move.keys(context)
        if len(keys) == 1:
            counted[counter.name] = value_of(counter, keys[0], at, move.amount(context))
        elif keys:
            amount = move.amount(context)
            values = [value_of(counter, key, at, amount) for key in keys]
            counted[counter.name] = max(values)
            if counter.of_recipients:
                each = dict(zip(keys, values, strict=True))
                context.counted_each = {**(context.counted_each or {}), counter.name: each}
    for move in of_cuts:
        counter = move.counter
        if counter.name in counted:
            continue
        for key in move.keys(context):
            if state.has(counter, key):
                value = state.read(counter, key, at, move.amount(context))
                if value > max(1, counted.get(counter.name, 0)):  # 1: this event is alone, as without a window
                    counted[counter.name] = value
    if context.facts.campaign is not None:
        counted |= read(OF_CAMPAIGN, context)


def _apply(sides: Sequence[Side], kinds: Sequence[tuple[On, list[int]]], state: Counters, columns: ColumnsOf) -> None:
    """Apply the rules that match, event by event, in order: the matches of rules with a daily cap are counted.

    `columns` are those that the counters' conditions read.
    """
    for on, indexes in kinds:
        of_kind = []
        for side, (outcomes, policy) in enumerate(sides):
            rules = policy.sets[on]
            open_ = [i for i in indexes if isinstance(outcome := outcomes[i], Outcome) and not outcome.decided]
            rows = np.searchsorted(indexes, open_)
            of_open = {name: column[rows] for name, column in columns[side, on].items()}
            ask = partial(rules.matching_each, columns=of_open)
            asked = zip(open_, _asked(ask, outcomes, open_), strict=True)
            answers = {i: each for i, each in asked if isinstance(each, Exception) or each[0] or each[1]}
            made: dict[tuple[Any, ...], Reason] = {}
            of_kind.append((outcomes, rules.known, answers, made))
        for index in sorted({i for _, _, answers, _ in of_kind for i in answers}):
            state.begin(index)
            for outcomes, known, answers, made in of_kind:
                answer, outcome = answers.get(index), outcomes[index]
                if answer is None or isinstance(outcome, Failure):
                    continue
                try:
                    if isinstance(answer, Exception):
                        raise answer
                    matched, failed = answer
                    if failed:
                        outcome.degraded = True
                    outcome.apply(matched, known, partial(_match_counted, state, outcome), made)
                except Exception as error:  # noqa: BLE001 - an error of one event must not stop the rest of the batch
                    outcomes[index] = Failure(index, cause_of(error))


def _refuse_unreviewed(outcomes: Sequence[Outcome | Failure], policy: Policy, config: Config, now: int) -> None:
    """Refuse what needs a person while nobody reviews, if the policy says so; the express lane waits for one."""
    if policy.outside_review_hours == "queue":
        return
    for outcome in outcomes:
        if isinstance(outcome, Failure) or not isinstance(outcome.context.event, Submission):
            continue
        event, context = outcome.context.event, outcome.context
        if event.priority is Priority.EXPRESS or is_open(context.screened):
            continue
        if outcome.most_severe()[0] is Verdict.REVIEW:
            calendar = calendar_of(context.port, config)
            opens = datetime.fromtimestamp(
                Timetable(calendar).opening(now if event.round else event.accepted_at) / 1000, calendar.zone
            ).strftime("%Y-%m-%d %H:%M")
            outcome.reasons += (_reason(BuiltInRule.REVIEW_CLOSED, Verdict.REJECT, 50, opens=opens),)


def _match_counted(state: Counters, outcome: Outcome, counter: Counter) -> int:
    """The value of the counter of a daily cap, moved (round 0) or read."""
    event, [key] = outcome.context.event, PARTS[counter.key[0]](outcome.context)
    value_of = state.read if isinstance(event, Submission) and event.round > 0 else state.add
    return value_of(counter, key, outcome.at, 1)


def _by_kind(outcomes: Sequence[Outcome | Failure]) -> list[tuple[On, list[int]]]:
    """The places of submissions and of records."""
    by_kind: dict[On, list[int]] = {on: [] for on in KINDS}
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Outcome):
            by_kind["submission" if isinstance(outcome.context.event, Submission) else "record"].append(index)
    return [(on, among) for on, among in by_kind.items() if among]


def _asked(
    ask: Callable[[Sequence[Context]], Sequence[T]], outcomes: Sequence[Outcome | Failure], indexes: Sequence[int]
) -> Sequence[T | Exception]:
    """The answer for each of these events. If all together fail, each is asked alone, to find those that fail."""
    contexts = [outcomes[index].context for index in indexes]  # type: ignore[union-attr]
    try:
        return ask(contexts)
    except Exception:  # noqa: BLE001 - the loop below meets the error again and assigns it to an event
        answers: list[T | Exception] = []
        for context in contexts:
            try:
                answers += ask([context])
            except Exception as error:  # noqa: BLE001 - the caller makes it the failure of this event
                answers.append(error)
        return answers


def _hold_end(rules: Sequence[Rule], event: Submission, leaves: int, calendar: Calendar) -> int:
    """When the hold of these rules ends.

    Where rules ask for a length and for a local time, the length comes first. After it the event is screened again,
    and then waits for the local time. So a short wait for a fact (bulk-grace) is not lost in a long one. Each round
    adds one length from acceptance, so an event that is held again waits again.
    """
    lengths = [rule.hold_ms for rule in rules if rule.hold_ms is not None]
    if lengths:
        return event.accepted_at + max(lengths) * (event.round + 1)
    return max(calendar.next(leaves, rule.hold_until) for rule in rules if rule.hold_until is not None)


def _authority(pair: Pair, config: Config, at: int) -> Reason | None:
    """The reason that decides a submission before its rules, or None if the rules decide."""
    if config.policy is None:
        return _reason(BuiltInRule.NO_POLICY, Verdict.HOLD, 100)
    if config.ports is None:
        return _reason(BuiltInRule.NO_PORT_REGISTRY, Verdict.HOLD, 100)
    listed = entry_in_force(pair.sender.black, at)
    rule = may_send(pair.sender.port.state if pair.sender.port else None, black_listed=listed is not None)
    if rule is None:
        return None
    if rule is BuiltInRule.PORT_UNKNOWN:
        return _reason(rule, Verdict.HOLD, 90)
    if rule is BuiltInRule.BLACK_LISTED and listed is not None:
        return _reason(rule, Verdict.REJECT, 95, entry=listed.reason)
    return _reason(rule, Verdict.REJECT, 100)


def _reason(rule: BuiltInRule, verdict: Verdict, severity: int, **values: str) -> Reason:
    message = built_in(rule, values)
    return Reason(rule=rule, verdict=verdict, severity=severity, message=message, values=values)


def _exceptions(
    event: Submission, port: Port | None, kind: Kind, verdict: Verdict, excepted: Mapping[str, str], lists: Lists
) -> tuple[RecipientException, ...]:
    """Recipients that must not get the message although others may. Empty for a rejected submission.

    `excepted` are those of the policy's rules. The lists come first: their entries name this very number.
    """
    if verdict.severity >= Verdict.REJECT.severity:
        return ()
    listed = lists.unreachable(event.recipients, port.code if port else "", kind, event.accepted_at)
    if not excepted and not listed:
        return ()
    found: Mapping[str, str] = {**excepted, **listed}
    return tuple(
        RecipientException(recipient=recipient, verdict=Verdict.REJECT, rule=rule) for recipient, rule in found.items()
    )
