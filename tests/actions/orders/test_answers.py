"""Files with answers: any layout, each answer once, a bad line kept with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.actions.orders.answers import Read, read_answers
from pipeline.actions.orders.follow_up import report
from pipeline.errors import AntispamError
from pipeline.files.source_file import UnreadableFileError, open_source
from pipeline.order_exchange import AnswerSource
from pipeline.store import audit
from pipeline.store.database import Database
from tests.actions.orders.world import NOW, OURS, listed, orders, parties, sent

WORDS = {"增加": "add", "删除": "remove"}
CHINESE = {"order": "工单号", "number": "号码", "answer": "结果", "reason": "说明"}


def source(**fields: Any) -> AnswerSource:
    return AnswerSource.model_validate({"name": "out", "url": "file:///out/*.csv"} | fields)


def read(db: Database, path: Path, text: str | bytes, of: AnswerSource | None = None, party: str = "boss") -> Read:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_answers(db, parties(), party, of or source(), open_source(path), lambda: NOW)


def asked(db: Database, *numbers: str) -> None:
    with db.write() as c:
        for number in numbers:
            ident = report(c, NOW, parties(), number, audit.PIPELINE)
            assert ident is not None
            sent(c, ident)


def kept(path: Path) -> list[tuple[int, str]]:
    lines = path.with_name(path.name + ".rejected.jsonl").read_text().splitlines()
    return [(line["line"], line["error"]) for line in map(json.loads, lines)]


def test_a_gbk_file_with_the_words_of_boss(any_db: Database, tmp_path: Path) -> None:
    asked(any_db, OURS)
    text = "工单号,号码,结果,说明\n1,+86 138-0013-8000,增加,客服核实\n,13800138009,增加,公安\n"
    done = read(any_db, tmp_path / "a.csv", text.encode("gbk"), source(columns=CHINESE, words=WORDS))
    assert done == Read(3, 2, 0)
    assert [order[:2] for order in orders(any_db)] == [
        ("suspect", "boss"),
        ("off", "hlr"),
        ("suspect", "boss"),
        ("off", "hlr"),
    ]
    assert [value for value, _ in listed(any_db, "black")] == [OURS, "13800138009"]


def test_a_copy_of_a_file_and_a_second_answer_change_nothing(any_db: Database, tmp_path: Path) -> None:
    asked(any_db, OURS)
    text = f"order,number,answer,reason\n1,{OURS},add,\n,13800138009,add,\n"
    read(any_db, tmp_path / "a.csv", text)
    read(any_db, tmp_path / "b.csv", "number,answer\n13800138009,remove\n")
    before = orders(any_db)
    assert read(any_db, tmp_path / "copy.csv", text) == Read(3, 2, 0)
    assert read(any_db, tmp_path / "c.csv", f"order,number,answer\n1,{OURS},add\n").accepted == 1
    assert orders(any_db) == before


def test_a_bad_line_is_kept_with_its_reason_and_costs_only_itself(operational_db: Database, tmp_path: Path) -> None:
    asked(operational_db, OURS)
    with operational_db.write() as c:
        report(c, NOW, parties(), "13800138002", audit.PIPELINE)  # never sent
    lines = [
        "order,number,answer",
        f"1,{OURS},maybe",
        "1,13800138009,add",
        f"77,{OURS},add",
        "2,13800138002,add",
        "x;y,13800138002,add",
        ",nobody,add",
        f"1,{OURS},done",
        f"1,{OURS}",
        f"1,{OURS},add",
    ]
    path = tmp_path / "a.csv"
    done = read(operational_db, path, "\n".join(lines) + "\n")
    assert (done.accepted, done.rejected) == (1, 8)
    assert kept(path) == [
        (2, "answer: unknown word 'maybe'; one of add, remove, done, failed, acknowledged"),
        (3, "number: order 1 is about another number"),
        (4, "order: '77' is none of the orders to boss"),
        (5, "order: 2 was never sent"),
        (6, "order: 'x;y' is none of the orders to boss"),
        (7, "number: a phone number expected"),
        (8, "answer: done does not answer an order of the kind suspect"),
        (9, "3 columns expected"),
    ]


def test_only_boss_acts_by_itself(operational_db: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert read(operational_db, path, f"number,answer\n{OURS},done\n", party="hlr").rejected == 1
    assert kept(path) == [(2, "no order about this number waits for this answer")]
    assert orders(operational_db) == []


def test_a_file_goes_on_where_a_killed_process_left_it(
    any_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line 3 takes back what line 2 did: read again from its beginning, the file would stop the number anew."""
    monkeypatch.setattr("pipeline.actions.orders.answers.CHUNK", 2)
    path = tmp_path / "a.csv"
    path.write_text(f"number,answer\n{OURS},add\n{OURS},remove\nnobody,add\n13800138009,add\n")
    opened, left = open_source(path), 1

    def killed() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise AntispamError("killed")

    with pytest.raises(AntispamError, match="killed"):
        read_answers(any_db, parties(), "boss", source(), opened, lambda: NOW, killed)
    half = orders(any_db)
    assert read_answers(any_db, parties(), "boss", source(), opened, lambda: NOW) == Read(5, 3, 1)
    assert orders(any_db)[: len(half)] == half
    assert [order[0] for order in orders(any_db)[len(half) :]] == ["suspect", "off"]
    assert kept(path) == [(4, "number: a phone number expected")]


def test_a_file_without_the_needed_columns_is_refused_whole(operational_db: Database, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no column `answer`"):
        read(operational_db, tmp_path / "a.csv", "number,x\n1,2\n")
