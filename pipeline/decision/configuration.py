"""Configuration: the immutable snapshot that `screen` uses, and the changes that build it.

A change arrives as a `ConfigChange` of the config topic or from the files of a directory. Both use the same
parsers, so `antispam screen --config` accepts the same values as a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.decision.candidate import Candidate, parse_candidate
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.models.classifier import Classifier
from pipeline.rules.clock.calendar import CALENDAR, Calendar, parse_calendar, shipped_calendar, shipped_calendar_text
from pipeline.rules.consents import SHARDS, Consents, Shard, parse_shard
from pipeline.rules.enterprises import check_parents, parse_enterprise
from pipeline.rules.lists import LISTS, ListEntry, Lists, check_lists, read_lists, read_single
from pipeline.rules.policies.policy import Policy, parse_policy
from pipeline.rules.ports import Port, Ports, parse_port, read_port
from pipeline.rules.snoozes import Snooze, Snoozes, parse_snooze
from pipeline.rules.speaker.names import BRANDS, NO_ADDITIONS, BrandNames, parse_names, shipped_names
from pipeline.rules.words.dictionary import Dictionary

SHIPPED = "shipped"
ENTERPRISE = "enterprise"  # kind of an entry that is not published, because no worker needs it
NO_LISTS = Lists()
NO_CONSENTS = Consents()
NO_SNOOZES = Snoozes()
CHALLENGER = "challenger"  # name of the `model` entry that is under trial
_DEFAULTS = files("pipeline.rules") / "defaults"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a decision depends on besides the event, its counters and the time.

    Immutable. `epoch` is the number of the last change in it. A missing part is None: without a policy or ports
    nothing is released; without a model the rules decide alone. `candidate` is a policy that is evaluated beside
    `policy` and may decide a share of the traffic. `challenger` is a model under trial; only rules in
    shadow mode read its score. The shipped calendar holds until another is published.
    `brands` are the shipped ones with the operator's additions.
    """

    epoch: int = 0
    policy: Policy | None = None
    candidate: Candidate | None = None
    ports: Ports | None = None
    lists: Lists = NO_LISTS
    consents: Consents = NO_CONSENTS
    snoozes: Snoozes = NO_SNOOZES
    dictionary: Dictionary | None = None
    model: Classifier | None = None
    challenger: Classifier | None = None
    calendar: Calendar = field(default_factory=shipped_calendar)
    brands: BrandNames = field(default_factory=shipped_names)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that events are evaluated under."""
        candidate = self.candidate.policy if self.candidate else None
        return tuple(policy for policy in (self.policy, candidate) if policy is not None)


class ConfigEntries:
    """The configuration entries received so far; `apply` changes some of them and builds the next snapshot."""

    def __init__(self, blobs: Path | None = None) -> None:
        self.config = Config()
        self._blobs = blobs
        self._ports: dict[str, Port] = {}
        self._snoozes: dict[str, Snooze] = {}

    def copy(self) -> ConfigEntries:
        """A copy that further changes leave alone."""
        other = ConfigEntries(self._blobs)
        other.config = self.config
        other._ports, other._snoozes = dict(self._ports), dict(self._snoozes)
        return other

    def apply(self, changes: Sequence[ConfigChange]) -> list[str]:
        """Apply the changes of one publication together and set `config` to the new snapshot.

        Returns the faults found. A port with unreadable templates is used without them. A value that does not parse
        leaves its entry unchanged, but the epoch still advances, because every worker refuses the value alike.
        """
        faults = []
        parts: dict[str, Any] = {}
        for change in changes:
            try:
                faults += [f"{change.kind}/{change.name}: {fault}" for fault in self._apply(change, parts)]
            except AntispamError as error:
                faults.append(f"{change.kind}/{change.name}: {error}")
            except Exception as error:  # noqa: BLE001 - one bad value must not stop every consumer of the configuration
                faults.append(f"{change.kind}/{change.name}: cannot be read: {type(error).__name__}: {error}")
        kinds = {change.kind for change in changes}
        if "port" in kinds:
            parts["ports"] = Ports(self._ports.values()) if self._ports else None
        entries: dict[tuple[str, str], ListEntry | None] = parts.pop("entries", {})
        if entries:
            parts["lists"] = parts.get("lists", self.config.lists).with_entries(entries)
        if "snooze" in kinds:
            parts["snoozes"] = Snoozes(self._snoozes.values())
        shards: dict[int, Shard | None] = parts.pop("shards", {})
        if shards:
            parts["consents"] = self.config.consents.replaced(shards)
        self.config = replace(self.config, epoch=max(c.epoch for c in changes), **parts)
        return faults

    def _apply(self, change: ConfigChange, parts: dict[str, Any]) -> Sequence[str]:
        """Apply one change and return the faults of its unusable parts. Raises AntispamError if no part is usable."""
        value = self._value(change)
        if change.kind == "port":
            if value is None:
                self._ports.pop(change.name, None)
            else:
                port = read_port(value)
                if port.code != change.name:
                    raise AntispamError(f"holds port {port.code}")
                self._ports[change.name] = port
                return port.faults
        elif change.kind == "list":
            if "/" in change.name:
                key, entry = read_single(change.name, value)
                parts.setdefault("entries", {})[key] = entry
            else:
                rows = None if value is None else read_lists(value, change.name, strict=False)
                parts["lists"] = parts.get("lists", self.config.lists).with_file(change.name, rows)
        elif change.kind == "snooze":
            if value is None:
                self._snoozes.pop(change.name, None)
            else:
                self._snoozes[change.name] = parse_snooze(value)
        elif change.kind == "consent":
            if not (change.name.isascii() and change.name.isdigit() and int(change.name) < SHARDS):
                raise AntispamError("unknown shard")
            parts.setdefault("shards", {})[int(change.name)] = None if value is None else parse_shard(value)
        elif change.kind in _PARSERS:
            part = CHALLENGER if (change.kind, change.name) == ("model", CHALLENGER) else change.kind
            parts[part] = _ABSENT[change.kind]() if value is None else _PARSERS[change.kind](value)
        else:
            raise AntispamError("unknown kind of configuration")
        return ()

    def _value(self, change: ConfigChange) -> str | None:
        if change.file is None:
            return change.value
        if self._blobs is None or not (change.file.isascii() and change.file.isalnum()):
            raise AntispamError(f"no file {change.file!r}")
        try:
            return (self._blobs / change.file).read_text(encoding="utf-8")
        except OSError as error:
            raise AntispamError(f"file {change.file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise AntispamError(f"file {change.file}: not UTF-8") from None


def model_of(value: str) -> Classifier:
    """Load the model of a published value: SHIPPED or a directory. Raises AntispamError if it cannot be loaded."""
    return _shipped_model() if value == SHIPPED else Classifier.load(Path(value))


@cache
def _shipped_model() -> Classifier:
    return Classifier.load()


_PARSERS: dict[str, Callable[[str], Any]] = {
    "policy": parse_policy,
    "candidate": parse_candidate,
    "dictionary": lru_cache(2)(Dictionary.parse),  # snapshots of one process share it
    "model": model_of,
    "calendar": parse_calendar,
    "brands": parse_names,
}
# The part of a snapshot after its entry is withdrawn.
_ABSENT: dict[str, Callable[[], Any]] = dict.fromkeys(_PARSERS, lambda: None) | {
    "calendar": shipped_calendar,
    "brands": shipped_names,
}


def default_policy() -> str:
    """The text of the shipped policy."""
    return (_DEFAULTS / "policy.yaml").read_text(encoding="utf-8")


def default_dictionary() -> str:
    """The text of the shipped dictionary."""
    return (_DEFAULTS / "dictionary.csv").read_text(encoding="utf-8")


def directory_entries(folder: Path | None, policy: Path | None = None) -> Iterator[tuple[str, str, str]]:
    """(kind, name, value) of each entry of a configuration directory; shipped files replace absent ones.

    The directory may hold `policy.yaml`, `dictionary.csv`, `calendar.yaml`, `brands.yaml` (additions to the shipped
    brands), `enterprises.jsonl`, `ports.jsonl` and `lists.csv`; `policy` overrides the first. We ship no ports and no
    lists: without ports everything is held. Raises AntispamError for a directory or file that cannot be read.
    """
    if folder is not None and not folder.is_dir():
        raise AntispamError(f"{folder}: not a directory")
    shipped: dict[str, Callable[[], str]] = {
        "policy.yaml": default_policy,
        "dictionary.csv": default_dictionary,
        CALENDAR: shipped_calendar_text,
        BRANDS: lambda: NO_ADDITIONS,
    }

    def text(file: str) -> str | None:
        path = policy if file == "policy.yaml" and policy else folder / file if folder else None
        if path is not None and (path.exists() or path is policy):
            return read_text(path)
        return shipped[file]() if file in shipped else None

    yield "model", "active", SHIPPED
    yield "policy", "policy.yaml", text("policy.yaml") or ""
    yield "dictionary", "dictionary.csv", text("dictionary.csv") or ""
    yield "calendar", CALENDAR, text(CALENDAR) or ""
    yield "brands", BRANDS, text(BRANDS) or NO_ADDITIONS
    lists = text(LISTS)
    if lists is not None:
        check_lists(lists)
        yield "list", LISTS, lists
    companies = dict(_entries("enterprises.jsonl", text("enterprises.jsonl"), lambda line: parse_enterprise(line).code))
    try:
        check_parents({code: parse_enterprise(line).parent for code, line in companies.items()})
    except AntispamError as error:
        raise AntispamError(f"enterprises.jsonl: {error}") from None
    for code, line in companies.items():
        yield ENTERPRISE, code, line
    for code, line in _entries("ports.jsonl", text("ports.jsonl"), lambda line: parse_port(line).code):
        owner = parse_port(line).entry.enterprise
        if companies and owner and owner not in companies:
            raise AntispamError(f"ports.jsonl: port {code}: enterprise {owner!r} is not in enterprises.jsonl")
        yield "port", code, line


def _entries(file: str, text: str | None, code_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """(code, line) of each entry of a JSON Lines file. Raises AntispamError with file and line number."""
    seen: dict[str, int] = {}
    for number, line in enumerate((text or "").split("\n"), 1):
        if line.strip():
            try:
                code = code_of(line)
            except AntispamError as error:
                raise AntispamError(f"{file}:{number}: {error}") from None
            if seen.setdefault(code, number) != number:
                raise AntispamError(f"{file}:{number}: {code} is already on line {seen[code]}")
            yield code, line


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark. Raises AntispamError with the path."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AntispamError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AntispamError(f"{path}: not UTF-8") from None


def load_directory(folder: Path | None, policy: Path | None = None) -> Config:
    """The snapshot of a configuration directory, for offline screening. Raises AntispamError for its first fault."""
    entries = ConfigEntries()
    faults = entries.apply(
        [
            ConfigChange(epoch=1, kind=kind, name=name, value=value)
            for kind, name, value in directory_entries(folder, policy)
            if kind != ENTERPRISE
        ]
    )
    if faults:
        raise AntispamError(faults[0])
    return entries.config
