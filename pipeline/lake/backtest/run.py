"""Runs a backtest: joins the period, replays its parts on all cores, and reports.

Finished parts stay under the data directory, in a folder named by the hash of all inputs. A run that was killed goes on
with the other parts; a run that is finished is read again.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from itertools import chain
from pathlib import Path
from time import process_time
from typing import NamedTuple

import msgspec

from pipeline.decision.candidate import parse_candidate
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.lake.backtest.change import Change, ChangeUnderTest
from pipeline.lake.backtest.history import History, read_changes
from pipeline.lake.backtest.judgements import judgements
from pipeline.lake.backtest.period import (
    PARTS,
    Contents,
    JudgedMember,
    Period,
    contents,
    parts,
    rows_of,
    write_parts,
)
from pipeline.lake.backtest.replay import PolicyUnderTest, replay
from pipeline.lake.backtest.reports import Group, PolicyResult, Report, find, folder_of, save, write_whole
from pipeline.lake.backtest.sweep import with_number
from pipeline.lake.backtest.tally import Changes, Tally
from pipeline.lake.delta import locked
from pipeline.lake.views import open_empty
from pipeline.rules.counting.counters import Counter
from pipeline.rules.policies.policy import Policy, parse_policy
from pipeline.rules.versions import version_of
from pipeline.settings import Settings

FORM = 1  # of the files of a run; another form is another run
GROUPS = 200  # rules, ports, campaigns in a report, each
_INPUT, _WRITTEN, _DONE = "input", "input.json", "parts"


class Question(NamedTuple):
    """What is asked: `policy` is the text of a policy, None for those that were in force; `sweep` is (name, values).

    `change` is another file, which takes the place of the one of each decision's time.
    """

    since: int
    until: int
    policy: str | None = None
    file: str = "policy.yaml"
    sweep: tuple[str, tuple[str, ...]] | None = None
    change: Change | None = None

    def texts(self) -> list[tuple[str | None, str | None]]:
        """(value of the sweep, text) of each policy under test. Raises AntispamError for a number it does not have."""
        asked: list[tuple[str | None, str | None]] = [(None, self.policy)]
        if self.sweep is not None:
            if self.policy is None:
                raise AntispamError("--sweep needs --policy")
            name, values = self.sweep
            asked += [(value, with_number(self.policy, name, value, self.file)) for value in values]
        return asked


class PartResult(msgspec.Struct):
    """The result of one part: its rows, their messages, its processor time (s), and a tally for each policy."""

    rows: int
    messages: int
    seconds: float
    tallies: list[Tally]


class Job(NamedTuple):
    """What a process needs to replay parts."""

    settings: Settings
    folder: Path
    since: int
    first_epoch: int
    texts: tuple[str | None, ...]
    change: Change | None


def backtest(
    settings: Settings,
    question: Question,
    judged: Iterable[JudgedMember],
    now: int,
    progress: Callable[[int, int], None],
    cores: int | None = None,
) -> Report:
    """Replay a period of the lake under a policy, or go on with a run that was interrupted.

    `progress` gets the decisions replayed and those of the whole period. `now` (epoch ms) stamps the report.
    Raises AntispamError for an empty period, a faulty policy or number, and a process that died; UnavailableError if
    another process runs the same backtest.
    """
    if question.since >= question.until:
        raise AntispamError("backtest: the period ends before it begins")
    asked = question.texts()
    policies = [None if text is None else parse_policy(text, question.file) for _, text in asked]
    if question.change is not None:
        ChangeUnderTest(question.change)  # a fault is told before the period is read
    with open_empty(settings) as connection:
        changes = read_changes(connection, settings)
    found = contents(settings, Period(question.since, question.until))
    again = counted_again(policies, [_policy_of(changes, version, settings) for version in found.policies])
    # Before the period, the replay fills the longest window of a counter that is counted again.
    lead = max((counter.kept_ms for counter in again), default=0)
    period = Period(question.since - lead, question.until)
    whole = contents(settings, period)
    members = sorted(set(judged), key=lambda member: (member.port, member.submission, member.case))
    key = _key(question, asked, whole, members)
    folder = folder_of(settings, key)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder, "backtest", wait=False):
        finished = find(settings, key)
        if finished is not None:
            return finished
        if not (folder / _WRITTEN).exists():
            # Events of one key of a shared counter come from all ports.
            count = 1 if any(counter.shared for counter in again) else PARTS
            write_parts(settings, period, members, folder / _INPUT, count)
            write_whole(folder / _WRITTEN, msgspec.json.encode(parts(folder / _INPUT)))
        rows = msgspec.json.decode((folder / _WRITTEN).read_bytes(), type=dict[int, int])
        texts = tuple(text for _, text in asked)
        job = Job(settings, folder, question.since, whole.first_epoch, texts, question.change)
        results = _all_parts(job, rows, progress, cores or len(os.sched_getaffinity(0)))
        report = _report(question, asked, policies, found, lead, results, key, now)
        save(settings, report)
        for left in (folder / _INPUT, folder / _DONE):
            shutil.rmtree(left, ignore_errors=True)
        return report


def counted_again(policies: Sequence[Policy | None], live: Sequence[Policy | None]) -> list[Counter]:
    """The counters that some live decision did not store under the same definition."""
    stored = [{counter.identity for counter in policy.kept} if policy else set[str]() for policy in live]
    return [
        counter
        for policy in policies
        for counter in (policy.kept if policy else ())
        if not all(counter.identity in known for known in stored)
    ]


def _policy_of(changes: Sequence[ConfigChange], version: str, settings: Settings) -> Policy | None:
    """The policy or candidate of this version among the changes; None if the lake does not have it."""
    for change in changes:
        text = change.value
        if change.file is not None:
            blob = settings.blob_dir / change.file
            text = blob.read_text(encoding="utf-8") if blob.exists() else None
        if text is not None and change.kind == "policy" and version_of(text) == version:
            return parse_policy(text)
        if text is not None and change.kind == "candidate":
            candidate = parse_candidate(text).policy
            if candidate.version == version:
                return candidate
    return None


def _key(
    question: Question, asked: Sequence[tuple[str | None, str | None]], whole: Contents, members: list[JudgedMember]
) -> str:
    inputs = (FORM, question, asked, whole, members)
    return sha256(msgspec.json.encode(inputs)).hexdigest()[:16]


def _all_parts(job: Job, rows: dict[int, int], progress: Callable[[int, int], None], cores: int) -> list[PartResult]:
    results, total, done = [], sum(rows.values()), 0
    kept = {part: _kept(job.folder, part) for part in rows}
    left = sorted((part for part in rows if kept[part] is None), key=lambda part: -rows[part])
    fresh = _here(job, left) if cores == 1 or len(left) < 2 else _in_processes(job, left, min(cores, len(left)))
    for result in chain(filter(None, kept.values()), fresh):
        results.append(result)
        done += result.rows
        progress(done, total)
    return results


def _here(job: Job, left: Sequence[int]) -> Iterator[PartResult]:
    if left:
        worker = _Worker(job)
        for part in left:
            yield worker.part(part)


def _in_processes(job: Job, left: Sequence[int], cores: int) -> Iterator[PartResult]:
    context = multiprocessing.get_context("spawn")  # a fork would share DuckDB's threads and locks
    with ProcessPoolExecutor(cores, context, initializer=_begin, initargs=(job,)) as pool:
        futures = [pool.submit(_part, part) for part in left]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise AntispamError("a process of the backtest died; the same command goes on") from None
        finally:
            pool.shutdown(cancel_futures=True)


class _Worker:
    """Replays parts, one after the other, with one copy of the policies and the configuration's history."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._policies = [None if text is None else parse_policy(text) for text in job.texts]
        self._change = None if job.change is None else ChangeUnderTest(job.change)
        with open_empty(job.settings) as connection:
            changes = read_changes(connection, job.settings)
        self._history = History(changes, job.first_epoch, job.settings)

    def part(self, part: int) -> PartResult:
        """Replay a part and keep its result."""
        job, begun, count = self._job, process_time(), [0, 0]
        tested = [PolicyUnderTest(policy, job.settings, job.since, self._change) for policy in self._policies]

        def counted() -> Iterator[list[dict[str, object]]]:
            for batch in rows_of(job.folder / _INPUT, part):
                count[0] += len(batch)
                count[1] += sum(row["messages"] for row in batch)
                yield batch

        tallies = list(replay(counted(), tested, self._history))
        result = PartResult(count[0], count[1], process_time() - begun, tallies)
        write_whole(_file(job.folder, part), msgspec.json.encode(result))
        return result


_worker: _Worker | None = None  # of this process of the pool


def _begin(job: Job) -> None:
    global _worker
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _worker = _Worker(job)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """End this process when its parent was killed: else it would wait for work for ever."""
    parent.join()
    os._exit(1)


def _part(part: int) -> PartResult:
    if _worker is None:
        raise RuntimeError("the process was not begun")
    return _worker.part(part)


def _file(folder: Path, part: int) -> Path:
    return folder / _DONE / f"{part:02}.json"


def _kept(folder: Path, part: int) -> PartResult | None:
    try:
        return msgspec.json.decode(_file(folder, part).read_bytes(), type=PartResult)
    except FileNotFoundError:
        return None


def _report(
    question: Question,
    asked: Sequence[tuple[str | None, str | None]],
    policies: Sequence[Policy | None],
    found: Contents,
    lead: int,
    results: Sequence[PartResult],
    key: str,
    now: int,
) -> Report:
    tested = []
    for n, ((value, _), policy) in enumerate(zip(asked, policies, strict=True)):
        tally = Tally()
        for result in results:
            tally.merge(result.tallies[n])
        tested.append(_tested(value, policy, tally))
    seconds = sum(result.seconds for result in results)
    messages = sum(result.messages for result in results) * len(asked)
    first = policies[0]
    return Report(
        key=key,
        policy=first.version if first else None,
        title=first.title if first else "",
        change=_named(question.change),
        since=question.since,
        until=question.until,
        live=found.policies,
        lead_ms=lead,
        sweep=question.sweep[0] if question.sweep else None,
        tested=tested,
        part_seconds=round(seconds, 3),
        per_second=round(messages / seconds, 1) if seconds else 0.0,
        made_at=now,
    )


def _named(change: Change | None) -> str:
    return "" if change is None else f"{change.kind} {change.name} {version_of(change.text)}"


def _tested(value: str | None, policy: Policy | None, tally: Tally) -> PolicyResult:
    groups = {"rules": tally.rules, "ports": tally.ports, "campaigns": tally.campaigns}
    return PolicyResult(
        value=value,
        policy=policy.version if policy else None,
        decisions=tally.decisions,
        messages=tally.messages,
        differences=tally.differences,
        other_reasons=tally.other_reasons,
        skipped=dict(sorted(tally.skipped.items())),
        verdicts=dict(sorted(tally.verdicts.items())),
        total=tally.total,
        left_out={name: len(group) - GROUPS for name, group in groups.items() if len(group) > GROUPS},
        judgements=judgements(tally.judged.values()),
        samples=tally.samples,
        **{name: _most(group) for name, group in groups.items()},
    )


def _most(group: dict[str, Changes]) -> list[Group]:
    ordered = sorted(group.items(), key=lambda pair: (-pair[1].messages, pair[0]))
    return [Group(name, changes) for name, changes in ordered[:GROUPS]]
