"""The demo's configuration directory, made from the same tables as its traffic."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from pipeline.sample.enterprises import PORTS, Port
from pipeline.sample.lists import ENTRIES, Entry


def config_files(ports: Iterable[Port] = PORTS, entries: Iterable[Entry] = ENTRIES) -> dict[str, str]:
    """The texts of `ports.jsonl` and `lists.csv`, by file name."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow([field.name for field in fields(Entry)])
    rows.writerows(astuple(entry) for entry in entries)
    lines = [json.dumps(_registration(port), ensure_ascii=False) + "\n" for port in ports]
    return {"ports.jsonl": "".join(lines), "lists.csv": table.getvalue()}


def write_config(folder: Path, ports: Iterable[Port] = PORTS, entries: Iterable[Entry] = ENTRIES) -> tuple[Path, ...]:
    """Write the configuration files into `folder`, which is created if missing; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in config_files(ports, entries).items():
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
