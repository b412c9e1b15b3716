"""`antispam normalise` and `match`: what a script reads from them."""

import json
from pathlib import Path
from typing import Any

from tests.harness.command import command


def run(tmp_path: Path, name: str, lines: list[str], *options: str) -> list[dict[str, Any]]:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    told = command(name, "--in", source, "--out", out, *options)
    assert told.exit_code == 0, told.output
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_normalise_tells_normal_form_views_and_map(tmp_path: Path) -> None:
    answers = run(tmp_path, "normalise", ['{"id": "a", "text": "氵去*發票"}', '{"id": 2, "text": ""}', "no json"])
    assert answers == [
        {
            "id": "a",
            "normal": "氵去发票",
            "views": {"joined": "法发票", "lookalike": answers[0]["views"]["lookalike"], "pinyin": "fa fa piao"},
            "map": [0, 1, 3, 4],
            "techniques": {"separators": 1, "traditional": 1},
        },
        {"id": 2, "normal": "", "views": {}, "map": [], "techniques": {}},
    ]
    (bad,) = (tmp_path / "out.jsonl.rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(bad)["line"] == 3


def test_match_tells_view_and_raw_span(tmp_path: Path) -> None:
    words = tmp_path / "words.csv"
    words.write_text(
        "word,category,verdict,expires\n代开发票,fake_document,reject,\n刷单,loan,review,1970-01-02T00:00:00Z\n",
        encoding="utf-8",
    )
    answers = run(tmp_path, "match", ['{"id": 1, "text": "刷单，代*开發票"}'], "--dictionary", str(words))
    hit = {"word": "代开发票", "category": "fake_document", "start": 3, "end": 8, "via": "normal"}
    assert answers == [{"id": 1, "hits": [hit]}]
