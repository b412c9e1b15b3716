"""The demo's configuration directory, made from the same tables as its traffic."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.durations import HOUR_MS
from pipeline.sample.enterprises import PORTS, Port, owners_of
from pipeline.sample.lists import ENTRIES, Entry


def config_files(ports: Iterable[Port] = PORTS, entries: Iterable[Entry] = ENTRIES) -> dict[str, str]:
    """The texts of `enterprises.jsonl`, `ports.jsonl` and `lists.csv`, by file name."""
    ports = list(ports)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow([field.name for field in fields(Entry)])
    rows.writerows(astuple(entry) for entry in entries)
    lines = [json.dumps(_registration(port), ensure_ascii=False) + "\n" for port in ports]
    owners = [json.dumps(asdict(owner), ensure_ascii=False) + "\n" for owner in owners_of(ports)]
    return {"enterprises.jsonl": "".join(owners), "ports.jsonl": "".join(lines), "lists.csv": table.getvalue()}


def noon_calendar(at: int) -> str:
    """The text of a `calendar.yaml` in whose zone it is noon at `at` (epoch ms).

    The traffic comes at any hour of the day. With quiet hours, its commercial messages would wait until morning.
    """
    ahead = 12 - at // HOUR_MS % 24
    zone = f"Etc/GMT{-ahead:+d}"  # POSIX: the sign is that of the way to Greenwich
    year = datetime.fromtimestamp(at / 1000, UTC).year
    return f"zone: {zone}\nyears: {{{year}: {{source: sample, holidays: {{元旦: {year}-01-01}}}}}}\n"


def write_config(
    folder: Path, at: int, ports: Iterable[Port] = PORTS, entries: Iterable[Entry] = ENTRIES
) -> tuple[Path, ...]:
    """Write the configuration files for traffic around `at` (epoch ms) into `folder`, which is created if missing.

    Returns their paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in (config_files(ports, entries) | {"calendar.yaml": noon_calendar(at)}).items():
        paths.append(folder / name)
        paths[-1].write_text(text, encoding="utf-8")
    return tuple(paths)


def _registration(port: Port) -> dict[str, Any]:
    return {
        "code": port.code,
        "name": port.name,
        "enterprise": port.enterprise,
        "tier": port.tier.value,
        "state": port.state.value,
        "kind": port.kind.value,
        "signatures": list(port.signatures),
        "channel": "default",
        "volume_5m": port.limit,
        "templates": [{"id": t.id, "text": t.text, "kind": t.kind.value} for t in port.templates],
    }
