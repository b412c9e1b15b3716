"""`classify` and `match`: texts in, one answer a line out, in order, with the id they came with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.campaigns.index import Campaigns
from pipeline.errors import AntispamError
from pipeline.ingest.files import text_lines
from pipeline.ingest.files.text_lines import campaigns_file, classify_file, match_file
from pipeline.models.classifier import Classifier
from pipeline.rules.words.dictionary import Dictionary

WORDS = Dictionary.parse("word,category,verdict\n套现,fraud,reject\n发票,fake_document,review\n")


def write(folder: Path, lines: list[Any]) -> tuple[Path, Path, Path]:
    source = folder / "in.jsonl"
    source.write_bytes(b"".join((x if isinstance(x, bytes) else msgspec.json.encode(x)) + b"\n" for x in lines))
    return source, folder / "out.jsonl", folder / "bad.jsonl"


def answers(path: Path) -> list[Any]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


@pytest.mark.long
def test_words_are_found_where_they_stand(tmp_path: Path) -> None:
    files = write(tmp_path, [{"id": 1, "text": "😀套现，代开发票"}, {"id": "b", "text": "", "more": 1}])
    assert match_file(*files, WORDS, 0) == (2, 0)
    assert answers(files[1]) == [
        {
            "id": 1,
            "hits": [
                {"word": "套现", "category": "fraud", "start": 1, "end": 3, "via": "raw"},
                {"word": "发票", "category": "fake_document", "start": 6, "end": 8, "via": "raw"},
            ],
        },
        {"id": "b", "hits": []},
    ]


def test_answers_are_unescaped_utf8(tmp_path: Path) -> None:
    files = write(tmp_path, [{"id": 1, "text": "套现"}])
    match_file(*files, WORDS, 0)
    assert "套现" in files[1].read_text(encoding="utf-8")


def test_each_text_has_a_score_and_its_neighbours_do_not_change_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier.load()
    files = write(tmp_path, [{"id": n, "text": text} for n, text in enumerate(["代开发票", "在吗", ""] * 5)])
    assert classify_file(*files, classifier) == (15, 0)
    whole = answers(files[1])
    assert [a["id"] for a in whole] == list(range(15))
    assert all(0 <= a["score"] <= 1 and a["label"] in ("spam", "ham") for a in whole)
    assert [a["category"] is None for a in whole] == [a["label"] == "ham" for a in whole]
    monkeypatch.setattr(text_lines, "BATCH", 2)
    classify_file(*files, classifier)
    assert answers(files[1]) == whole


def test_bad_lines_are_kept_with_their_numbers_and_the_rest_is_answered(tmp_path: Path) -> None:
    bad: list[Any] = [b"{", {"id": 1}, {"text": "x"}, {"id": 1.5, "text": "x"}, {"id": 1, "text": 5}, b"[]", b"\xff"]
    files = write(tmp_path, [{"id": 0, "text": "x"}, *bad, {"id": 9, "text": "x"}])
    assert match_file(*files, WORDS, 0) == (2, len(bad))
    assert [entry["line"] for entry in answers(files[2])] == list(range(2, 2 + len(bad)))
    assert all(entry["error"] for entry in answers(files[2]))


def test_an_output_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    source, _, bad = write(tmp_path, [])
    with pytest.raises(AntispamError, match="nowhere/out"):
        match_file(source, tmp_path / "nowhere" / "out", bad, WORDS, 0)


def test_variants_share_a_campaign_and_a_bad_line_is_kept(tmp_path: Path) -> None:
    texts = ["低息贷款当天放款加微信ab1234", "晚上一起吃饭吗", "低息贷款当天放款加微信xy98765"]
    lines = [{"id": n, "text": text} for n, text in enumerate(texts)]
    files = write(tmp_path, [*lines[:2], b'{"id": 9}', lines[2]])
    assert campaigns_file(*files, Campaigns(100)) == (3, 1)
    loan, dinner, again = answers(files[1])
    assert [loan["id"], dinner["id"], again["id"]] == [0, 1, 2]
    assert loan["campaign"] == again["campaign"] != dinner["campaign"]
    assert answers(files[2])[0]["line"] == 3
