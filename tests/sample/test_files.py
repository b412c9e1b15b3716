from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from pipeline.sample import files
from pipeline.sample.traffic import generate

START = 1_760_000_000_000
COUNT = 4000


def read(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def test_every_sample_is_in_one_file_and_has_its_truth(tmp_path: Path) -> None:
    counts = files.write(tmp_path, generate(1, COUNT, START, 40))
    truth = {line["id"]: line for line in read(tmp_path, "truth.jsonl")}
    with (tmp_path / "records-0001.csv").open(encoding="utf-8", newline="") as text:
        records = list(csv.DictReader(text))
    submissions, complaints = read(tmp_path, "submissions.jsonl"), read(tmp_path, "complaints.jsonl")
    assert tuple(records[0]) == files.RECORD_COLUMNS
    assert len(truth) == COUNT == len(submissions) + len(complaints) + len(records)
    assert counts == {
        "submissions.jsonl": len(submissions),
        "complaints.jsonl": len(complaints),
        "records-0001.csv": len(records),
        "truth.jsonl": COUNT,
    }
    for what, rows in (("submission", submissions), ("complaint", complaints), ("record", records)):
        assert all(truth[row["id"]]["what"] == what for row in rows)
    assert any(line["exceptions"] for line in truth.values())


def test_files_hold_the_samples_unchanged(tmp_path: Path) -> None:
    samples = list(generate(2, COUNT, START, 40))
    files.write(tmp_path, samples, encoding="gb18030", compress=True)
    assert read(tmp_path, "submissions.jsonl") == [s.body for s in samples if s.what == "submission"]
    with gzip.open(tmp_path / "records-0001.csv.gz", "rt", encoding="gb18030", newline="") as text:
        found = [row["content"] for row in csv.DictReader(text)]
    assert found == [s.body["content"] for s in samples if s.what == "record"]


def test_gbk_loses_only_what_it_lacks(tmp_path: Path) -> None:
    samples = [s for s in generate(3, COUNT, START, 40) if s.what == "record"]
    files.write(tmp_path, samples, encoding="gbk")
    with (tmp_path / "records-0001.csv").open(encoding="gbk", newline="") as text:
        found = [row["content"] for row in csv.DictReader(text)]
    assert found == [s.body["content"].encode("gbk", "replace").decode("gbk") for s in samples]


def test_a_full_record_file_is_followed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RECORDS_PER_FILE", 100)
    records = [s for s in generate(4, 1500, START, 15) if s.what == "record"][:250]
    counts = files.write(tmp_path, records)
    assert [counts[f"records-000{n}.csv"] for n in (1, 2, 3)] == [100, 100, 50]


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        files.write(tmp_path / name, generate(5, 1000, START, 10), compress=True)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 4
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
