"""Replays the decisions of one part under the policies under test, and adds up what comes otherwise.

Events keep their order. A batch ends where the epoch, the state of a text's campaign or, for a later round, the time of
the decision changes, so that every event meets what it met live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from pipeline.campaigns.known import FindsCampaigns
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.durations import MINUTE_MS
from pipeline.events import Campaign, Record, Submission, Verdict
from pipeline.lake.backtest.change import ChangeUnderTest
from pipeline.lake.backtest.history import History
from pipeline.lake.backtest.stored_values import ReplayedCounters, Seen, StoredCampaigns, stored_campaign
from pipeline.lake.backtest.tally import Sample, Tally, way_of
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import REPLAY_FORM
from pipeline.rules.policies.policy import CampaignFrom, Policy
from pipeline.settings import Settings

BATCH = 1000
_Row = Mapping[str, Any]
_Excepted = frozenset[tuple[str, str]]  # (hash of the recipient, rule)
_submission = msgspec.json.Decoder(Submission).decode
_record = msgspec.json.Decoder(Record).decode


@dataclass(frozen=True, slots=True)
class _Result:
    """A verdict with the rules of its reasons, the deciding rule first."""

    verdict: str
    rules: tuple[str, ...]
    excepted: _Excepted

    @property
    def rule(self) -> str:
        """The deciding rule, or an empty text."""
        return self.rules[0] if self.rules else ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A submission that live held: the results so far, until the next round comes."""

    live: _Result
    replayed: _Result
    row: _Row


class PolicyUnderTest:
    """One policy under test over one part: its counters, what it holds, and its tally.

    Without a policy, each event meets the policy that was in force live.
    """

    def __init__(
        self, policy: Policy | None, settings: Settings, since: int, change: ChangeUnderTest | None = None
    ) -> None:
        """Decisions before `since` (ms) only move the counters. `change` replaces another file than the policy."""
        self.tally = Tally()
        self._policy = policy
        self._since = since
        self._change = change
        self._late_ms = settings.late_minutes * MINUTE_MS
        self._privacy = Privacy(settings.privacy_secret)
        self._counters = ReplayedCounters(self._late_ms)
        self._waiting: dict[tuple[str, str], _Waiting] = {}

    def take(self, rows: Sequence[_Row], events: Sequence[Submission | Record], live: Config) -> None:
        """Screen a batch as live did, but under this policy, and compare."""
        config = live if self._policy is None else replace(live, policy=self._policy, candidate=None)
        if self._change is not None:
            config = self._change.on(config)
        counted = {policy.version: {counter.identity for counter in policy.kept} for policy in live.policies}
        seen = [Seen(row["counters"] or {}, counted.get(row["policy"], ())) for row in rows]
        self._counters.load(seen, rows[0]["decided_at"])
        least = config.policy.campaign_from if config.policy else CampaignFrom()
        outcomes = screen(
            events, self._counters, config, rows[0]["decided_at"], self._late_ms, _campaigns(rows, events, least)
        )
        for row, event, outcome in zip(rows, events, outcomes, strict=True):
            if row["decided_at"] >= self._since:
                self._compare(row, event, outcome, live)

    def finish(self) -> Tally:
        """The tally; submissions that still wait count as held."""
        for waiting in self._waiting.values():
            self._settle(waiting.row, waiting.live, waiting.replayed)
        self._waiting.clear()
        return self.tally

    def _compare(self, row: _Row, event: Submission | Record, outcome: Screened | Failure, live: Config) -> None:
        cause = "failed" if isinstance(outcome, Failure) else _unlike(row, live)
        if cause or isinstance(outcome, Failure):
            self.tally.skip(cause)
            return
        was, now = _live(row), self._replayed(outcome)
        self.tally.decisions += 1
        name = (row["shown_sender"], row["shown_id"])
        before = self._waiting.pop(name, None) if isinstance(event, Submission) and event.round else None
        if before is not None and before.replayed.verdict != Verdict.HOLD:
            now = before.replayed  # decided in an earlier round: this one would not have come
        elif (was.verdict, was.excepted) != (now.verdict, now.excepted):
            self.tally.differences += 1
        elif set(was.rules) != set(now.rules):
            self.tally.other_reasons += 1
        if was.verdict == Verdict.HOLD:
            self._waiting[name] = _Waiting(was, now, row)
        else:
            self._settle(row, was, now)

    def _replayed(self, outcome: Screened) -> _Result:
        decision, own, number = outcome.decision, self._privacy.own_words, self._privacy.number
        return _Result(
            decision.verdict.value,
            tuple([own(reason.rule) for reason in decision.reasons]),
            frozenset([(number(x.recipient), own(x.rule)) for x in decision.exceptions]),
        )

    def _settle(self, row: _Row, was: _Result, now: _Result) -> None:
        """Count the last verdicts on a submission or record."""
        tally, messages = self.tally, row["messages"]
        tally.messages += messages
        pair = f"{was.verdict}>{now.verdict}"
        tally.verdicts[pair] = tally.verdicts.get(pair, 0) + messages
        way = way_of(now.verdict)
        if row["case"] is not None:
            tally.judge(row["case"], row["refused"], way == "stopped", now.rule)
        if way != way_of(was.verdict):
            tally.change(_sample(row, was, now, was.rule if way == "released" else now.rule, messages))
        elif way == "released" and was.excepted != now.excepted:
            self._exceptions(row, was, now)

    def _exceptions(self, row: _Row, was: _Result, now: _Result) -> None:
        """Count recipients that alone get another verdict."""
        for excepted, ours, theirs in ((now, now.excepted, was.excepted), (was, was.excepted, now.excepted)):
            refused = {recipient for recipient, _ in theirs}
            rules: dict[str, int] = {}
            for recipient, rule in ours:
                if recipient not in refused:
                    rules[rule] = rules.get(rule, 0) + 1
            for rule, messages in rules.items():
                stopped = _Result(Verdict.REJECT.value, (rule,), frozenset())
                pair = (was, stopped) if excepted is now else (stopped, now)
                self.tally.change(_sample(row, *pair, rule, messages))


def replay(batches: Iterable[Sequence[_Row]], policies: Sequence[PolicyUnderTest], history: History) -> Sequence[Tally]:
    """Replay the rows of a part, in order, under each policy."""
    held: list[tuple[_Row, Submission | Record]] = []
    texts: dict[str, tuple[Any, ...]] = {}  # text -> the state of its campaign in this batch

    def flush() -> None:
        if held:
            rows, events = [row for row, _ in held], [event for _, event in held]
            live = history.at(rows[0]["epoch"])
            for policy in policies:
                policy.take(rows, events, live)
        held.clear()
        texts.clear()

    for batch in batches:
        for row in batch:
            event = _event(row)
            if isinstance(event, str):
                for policy in policies:
                    policy.tally.skip(event)
                continue
            state = _state(row)
            if held and (
                len(held) == BATCH
                or row["epoch"] != held[0][0]["epoch"]
                or texts.get(event.content, state) != state
                or (_later(row, held[0][0]) and row["decided_at"] != held[0][0]["decided_at"])
            ):
                flush()
            held.append((row, event))
            texts[event.content] = state
    flush()
    return [policy.finish() for policy in policies]


def _later(row: _Row, first: _Row) -> bool:
    """Whether the time of a batch matters: one of its rows is a later round. Such a row begins a batch or shares its
    time."""
    return bool(row["round"] or first["round"])


def _event(row: _Row) -> Submission | Record | str:
    """The event of a row as it came live, or why it cannot be replayed."""
    if row["content"] is None:
        return "no text"
    if row["form"] is None or row["rest"] is None:
        return "kept by an older version"
    if row["form"] != REPLAY_FORM:
        return "kept by a newer version"
    recipients = row["recipients"]
    if row["source"] == "record":
        return msgspec.structs.replace(
            _record(row["rest"].encode()),
            id=row["id"],
            sender=row["sender"],
            recipient=recipients[0],
            content=row["content"],
        )
    return msgspec.structs.replace(
        _submission(row["rest"].encode()),
        id=row["id"],
        port=row["sender"],
        recipients=tuple(recipients),
        content=row["content"],
    )


def _state(row: _Row) -> tuple[Any, ...]:
    """What live knew of the campaign of a row's text."""
    if not row["campaign"]:
        return ()
    counters = row["counters"] or {}
    return row["campaign"], *(counters.get(name, 0) for name in _OF_CAMPAIGN)


_OF_CAMPAIGN = ("campaign_messages", "campaign_ports", "campaign_senders", "campaign_growth_5m")


def _campaigns(
    rows: Sequence[_Row], events: Sequence[Submission | Record], least: CampaignFrom
) -> FindsCampaigns | None:
    known: dict[str, Campaign] = {}
    for row, event in zip(rows, events, strict=True):
        if row["campaign"] and event.content not in known:
            campaign = stored_campaign(row["campaign"], row["counters"] or {}, least)
            if campaign is not None:
                known[event.content] = campaign
    return StoredCampaigns(known) if known else None


def _unlike(row: _Row, live: Config) -> str:
    """Why the lake's configuration is not the one that live decided with; an empty text if it is."""
    policies: set[str | None] = {policy.version for policy in live.policies}
    policies = policies or {None}
    others = tuple(part.version if part else None for part in (live.dictionary, live.model))
    known = row["policy"] in policies and others == (row["dictionary"], row["model"])
    return "" if known else "another configuration"


def _live(row: _Row) -> _Result:
    excepted = frozenset([(x["recipient"], x["rule"]) for x in row["exceptions"] or ()])
    return _Result(row["verdict"], tuple(row["rules"] or ()), excepted)


def _sample(row: _Row, was: _Result, now: _Result, rule: str, messages: int) -> Sample:
    return Sample(
        way=way_of(now.verdict),
        rule=rule,
        port=row["port"],
        sender=row["shown_sender"] or "",
        id=row["shown_id"],
        decided_at=row["decided_at"],
        messages=messages,
        live=was.verdict,
        live_rule=was.rule,
        replayed=now.verdict,
        replayed_rule=now.rule,
        campaign=row["campaign"] or "",
        content=row["masked"] or "",
    )
