"""A report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pipeline.lake.backtest.reports import Group, PolicyResult, Report
from pipeline.lake.backtest.tally import Changes, Count
from pipeline.shares import Share

SHOWN = 15  # groups of each kind, and samples
CONTENT = 60  # characters shown of a text


def render(report: Report) -> str:
    """The report in lines, without control characters of the texts in it."""
    return "\n".join(
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in _lines(report)
    )


def _lines(report: Report) -> Iterator[str]:
    policy = f"policy {report.policy}" if report.policy else "the policies that were in force"
    yield f"backtest {report.key}: {policy}, decisions from {_time(report.since)} to {_time(report.until)}"
    yield f"in force live: {', '.join(report.live) or 'no policy'}"
    if report.lead_ms:
        yield f"counters with another definition counted from {_time(report.since - report.lead_ms)} on"
    yield f"{report.per_second:,.0f} messages a second and core"
    if report.sweep:
        yield ""
        yield f"{report.sweep:>28}  newly stopped  newly held  newly released  precision"
        for tested in report.tested:
            stopped, held, released = (count.messages for count in _counts(tested.total))
            value = "as given" if tested.value is None else tested.value
            precision = _share(tested.judgements.precision)
            yield f"{value:>28}  {stopped:>13,}  {held:>10,}  {released:>14,}  {precision}"
    yield from _tested(report.tested[0])


def _tested(tested: PolicyResult) -> Iterator[str]:
    yield ""
    yield f"{tested.decisions:,} decisions, {tested.messages:,} messages"
    yield f"{tested.differences:,} decisions differ from live, {tested.other_reasons:,} more have other reasons only"
    for cause, count in tested.skipped.items():
        yield f"{count:,} decisions not replayed: {cause}"
    stopped, held, released = _counts(tested.total)
    yield f"newly stopped: {stopped.messages:,} messages of {stopped.events:,} submissions or records"
    yield f"newly held: {held.messages:,} messages of {held.events:,}"
    yield f"newly released: {released.messages:,} messages of {released.events:,}"
    for title, groups in (("rule", tested.rules), ("port", tested.ports), ("campaign", tested.campaigns)):
        yield from _groups(title, groups)
    judged = tested.judgements
    if judged.precision.of or judged.recall.of:
        yield ""
        yield f"of cases that people judged: precision {_share(judged.precision)}, recall {_share(judged.recall)}"
        for rule, share in judged.rules.items():
            yield f"    {rule}: precision {_share(share)}"
    if tested.samples:
        yield ""
        yield "samples (masked):"
    for sample in tested.samples[:SHOWN]:
        yield (
            f"  {sample.live} > {sample.replayed}  {sample.rule or '-'}  {sample.sender}  "
            f"{_time(sample.decided_at)}  {sample.content[:CONTENT]}"
        )


def _groups(title: str, groups: list[Group]) -> Iterator[str]:
    if groups:
        yield ""
        yield f"{title:>28}  newly stopped  newly held  newly released (messages)"
        for group in groups[:SHOWN]:
            stopped, held, released = (count.messages for count in _counts(group.changes))
            yield f"{group.name:>28}  {stopped:>13,}  {held:>10,}  {released:>14,}"
        if len(groups) > SHOWN:
            yield f"{'…':>28}  and {len(groups) - SHOWN} more"


def _counts(changes: Changes) -> tuple[Count, Count, Count]:
    return changes.stopped, changes.held, changes.released


def _share(share: Share) -> str:
    if share.value is None:
        return "- (no case)"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}; {share.hits} of {share.of})"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
