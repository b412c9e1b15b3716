"""Reports of finished backtests: one folder each under the data directory, named by the hash of the inputs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.lake.backtest.judgements import Judgements
from pipeline.lake.backtest.tally import Changes, Sample
from pipeline.settings import Settings

UNFINISHED_MS = 2 * DAY_MS  # how long the input of an interrupted run is kept: it holds full texts
_REPORT = "report.json"
_KEY = re.compile(r"[0-9a-f]{16}")


class Group(msgspec.Struct, frozen=True):
    """The changes of one rule, port or campaign."""

    name: str
    changes: Changes


class PolicyResult(msgspec.Struct, frozen=True):
    """What one policy would have decided. `value` is that of the sweep. See Tally for the counts.

    `rules`, `ports` and `campaigns` have the most changed messages first; `left_out` says how many groups were cut off.
    """

    value: str | None
    policy: str | None
    decisions: int
    messages: int
    differences: int
    other_reasons: int
    skipped: dict[str, int]
    verdicts: dict[str, int]
    total: Changes
    rules: list[Group]
    ports: list[Group]
    campaigns: list[Group]
    left_out: dict[str, int]
    judgements: Judgements
    samples: list[Sample]


class Report(msgspec.Struct, frozen=True):
    """A finished backtest. Times are epoch ms.

    `policy` is the version under test; None replays the policies that were in force. `live` are their versions.
    `change` names another file under test, with its version.
    `lead_ms` is how long before the period the replay began, to fill counters with another definition.
    `part_seconds` is the processor time of all parts. `per_second` is replayed messages a second and core.
    """

    key: str
    policy: str | None
    title: str
    since: int
    until: int
    live: tuple[str, ...]
    lead_ms: int
    sweep: str | None
    tested: list[PolicyResult]
    part_seconds: float
    per_second: float
    made_at: int
    change: str = ""


_decode = msgspec.json.Decoder(Report).decode


def folder_of(settings: Settings, key: str) -> Path:
    """The folder of a run. Raises AntispamError for what is no key."""
    if not _KEY.fullmatch(key):
        raise AntispamError(f"no backtest {key[:20]!r}")
    return settings.data_dir / "backtests" / key


def save(settings: Settings, report: Report) -> None:
    """Keep a finished report."""
    write_whole(folder_of(settings, report.key) / _REPORT, msgspec.json.encode(report))


def find(settings: Settings, key: str) -> Report | None:
    """The report of this key, or None. Raises AntispamError for an unreadable one."""
    path = folder_of(settings, key) / _REPORT
    try:
        return _decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise AntispamError(f"{path}: no report of this version: {error}") from None


def all_reports(settings: Settings) -> list[Report]:
    """All finished reports that this version reads, the newest first."""
    found = []
    for path in (settings.data_dir / "backtests").glob(f"*/{_REPORT}"):
        try:
            found.append(_decode(path.read_bytes()))
        except (FileNotFoundError, msgspec.DecodeError):
            continue  # being deleted, or of another version
    return sorted(found, key=lambda report: (-report.made_at, report.key))


def expire(settings: Settings, now: int) -> int:
    """Delete reports of days that the lake no longer keeps, and what interrupted runs left; returns their number.

    `now` is epoch ms.
    """
    gone = 0
    kept = now - settings.retention_days * DAY_MS
    for folder in list((settings.data_dir / "backtests").glob("*")):
        report = find(settings, folder.name) if _KEY.fullmatch(folder.name) else None
        written = folder.stat().st_mtime * 1000
        if report.since < kept if report else written < now - UNFINISHED_MS:
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
    return gone


def write_whole(path: Path, content: bytes) -> None:
    """Write a file for its owner only; a reader sees all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(path)
