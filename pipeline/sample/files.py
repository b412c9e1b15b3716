"""Writes samples as files like those of a customer's system, an SMSC and a hotline, and their truth."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.events import encode
from pipeline.sample.truth import Sample

RECORD_COLUMNS = (
    "id",
    "kind",
    "sender",
    "recipient",
    "content",
    "submitted_at",
    "done_at",
    "status",
    "smsc",
)
RECORDS_PER_FILE = 50_000


def write(
    folder: Path, samples: Iterable[Sample], *, encoding: str = "utf-8", compress: bool = False
) -> dict[str, int]:
    """Write samples into `folder`, which is created if missing; returns their number by file name.

    `submissions.jsonl`, `complaints.jsonl` and `truth.jsonl` (one line a sample, by id) are UTF-8.
    Records go to `records-0001.csv` and so on: 50,000 to a file, each file with a header, in `encoding`, compressed
    with gzip if `compress`. "gb18030" has every character; "gbk" replaces missing characters by ?. The same samples
    give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {"submissions.jsonl": 0, "complaints.jsonl": 0, "truth.jsonl": 0}
    with ExitStack() as stack:
        lines = {name: stack.enter_context((folder / name).open("wb")) for name in counts}
        records = stack.enter_context(_Records(folder, encoding, compress=compress))
        for sample in samples:
            if sample.what == "record":
                records.write(sample.body)
            else:
                name = f"{sample.what}s.jsonl"
                lines[name].write(encode(sample.body) + b"\n")
                counts[name] += 1
            lines["truth.jsonl"].write(encode(_truth(sample)) + b"\n")
            counts["truth.jsonl"] += 1
    return counts | records.counts


def _truth(sample: Sample) -> dict[str, Any]:
    truth = sample.truth._asdict()
    truth["exceptions"] = [{"recipient": to, "verdict": verdict} for to, verdict in sample.truth.exceptions]
    return {"id": sample.body["id"], "what": sample.what, "at": sample.at, **truth}


class _Records:
    """The numbered record files; begins the next file when one is full."""

    def __init__(self, folder: Path, encoding: str, *, compress: bool) -> None:
        self.counts: dict[str, int] = {}
        self._folder, self._encoding, self._compress = folder, encoding, compress
        self._open = ExitStack()
        self._left = 0

    def __enter__(self) -> _Records:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, body: dict[str, Any]) -> None:
        if not self._left:
            self._begin()
        self._rows.writerow([body[column] for column in RECORD_COLUMNS])
        self._left -= 1
        self.counts[self._name] += 1

    def _begin(self) -> None:
        self._open.close()
        self._name = f"records-{len(self.counts) + 1:04d}.csv" + (".gz" if self._compress else "")
        self.counts[self._name] = 0
        self._left = RECORDS_PER_FILE
        raw: BinaryIO = self._open.enter_context((self._folder / self._name).open("wb"))
        if self._compress:  # without file name and time, so that the same samples give the same bytes
            zipped = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
            raw = cast(BinaryIO, self._open.enter_context(zipped))
        text = io.TextIOWrapper(raw, self._encoding, errors="replace", newline="")
        self._rows = csv.writer(self._open.enter_context(text), lineterminator="\n")
        self._rows.writerow(RECORD_COLUMNS)
