"""`antispam screen` offline: the same decisions as the stream's, one a line, nothing lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.decision.configuration import Config, load_directory
from pipeline.errors import AntispamError
from pipeline.events import Decision
from pipeline.file_exchange import CsvForm
from pipeline.ingest.files import offline
from pipeline.ingest.files.offline import screen_file
from pipeline.models.classifier import Classified, Classifier
from pipeline.rules.ports import Ports, parse_port
from pipeline.settings import Settings

SETTINGS = Settings(_env_file=None)
BEGIN = 1_760_000_000_000


@pytest.fixture(scope="module")
def config() -> Config:
    return replace(load_directory(None), ports=Ports([parse_port('{"code": "10690001", "volume_5m": 3}')]))


def run(
    folder: Path,
    lines: Sequence[Any],
    config: Config,
    name: str = "in.jsonl",
    settings: Settings = SETTINGS,
    form: CsvForm | None = None,
) -> tuple[list[Decision], list[dict[str, Any]]]:
    source, out, rejected = folder / name, folder / "out.jsonl", folder / "rejected.jsonl"
    text = [line if isinstance(line, str) else msgspec.json.encode(line).decode() for line in lines]
    source.write_text("\n".join(text) + "\n", encoding="utf-8")
    decided, bad = screen_file(source, out, rejected, config, settings, form)
    found = [msgspec.json.decode(line, type=Decision) for line in out.read_bytes().splitlines()]
    kept = [msgspec.json.decode(x) for x in rejected.read_bytes().splitlines()] if rejected.exists() else []
    assert (len(found), len(kept)) == (decided, bad)
    return found, kept


def line(n: int, **fields: Any) -> dict[str, Any]:
    given = {"id": f"s-{n}", "port": "10690001", "recipients": ["13800000001"], "content": "【示例】您的快递已到"}
    return given | {"submitted_at": BEGIN + n * 1000} | fields


def test_submissions_are_timed_by_what_they_say_so_counters_turn(tmp_path: Path, config: Config) -> None:
    found, kept = run(tmp_path, [line(n) for n in range(5)] + [line(400)], config)
    assert not kept
    assert [d.verdict.value for d in found] == ["release"] * 3 + ["reject"] * 2 + ["release"]
    assert [d.accepted_at for d in found][:2] == [BEGIN, BEGIN + 1000]


def test_every_line_is_decided_or_kept_whatever_the_batches(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line(n * 100) if n % 4 else "nonsense" for n in range(41)]
    whole, kept = run(tmp_path, lines, config)
    assert [entry["line"] for entry in kept] == [n + 1 for n in range(0, 41, 4)]
    monkeypatch.setattr(offline, "BATCH", 3)
    again, kept_again = run(tmp_path, lines, config)
    assert kept_again == kept

    def plain(decisions: list[Decision]) -> list[Decision]:
        return [msgspec.structs.replace(d, decided_at=0, timings={}) for d in decisions]

    assert plain(again) == plain(whole)


def test_records_and_submissions_may_share_a_file(tmp_path: Path, config: Config) -> None:
    record = {"kind": "MO", "sender": "13900000009", "recipient": "138000", "content": "在吗", "submitted_at": BEGIN}
    found, kept = run(tmp_path, [record, line(1), line(2, port="95555")], config)
    assert not kept
    assert [(d.source, d.verdict.value, d.id) for d in found] == [
        ("record", "release", "line-1"),
        ("submission", "release", "s-1"),
        ("submission", "hold", "s-2"),
    ]


def test_csv_columns_of_the_smsc_are_mapped_and_a_file_is_never_late(tmp_path: Path, config: Config) -> None:
    columns = {"kind": "TYPE", "sender": "SRC", "recipient": "DST", "content": "TEXT", "submitted_at": "T"}
    mapped = Settings(_env_file=None, record_columns=columns, record_time_format="%Y%m%d%H%M%S")
    rows = ["TYPE,SRC,DST,TEXT,T,NODE"] + [
        f"MO,13900000009,138{n * n * 31_337:08d},吃了吗,20250101080000,x"  # no numbers in sequence
        for n in range(51)
    ]
    found, kept = run(tmp_path, [*rows, "MO,13900000009,x,吃了吗,20250101080000,y"], config, "smsc.csv", mapped)
    assert [d.verdict.value for d in found] == ["release"] * 50 + ["blacklist"]
    assert found[0].accepted_at == 1_735_689_600_000
    assert [(k["line"], k["error"]) for k in kept] == [(53, "recipient: 3 to 21 digits expected")]
    assert kept[0]["raw"]["NODE"] == "y"


def test_a_line_whose_screening_fails_is_kept_and_the_others_are_decided(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Classifier.classify

    def faulty(self: Classifier, texts: Sequence[str], *read: Any) -> list[Classified]:
        if any("炸" in text for text in texts):
            raise FloatingPointError("planted")
        return honest(self, texts, *read)

    monkeypatch.setattr(Classifier, "classify", faulty)
    found, kept = run(tmp_path, [line(1), line(2, content="炸"), line(3)], config)
    assert [d.id for d in found] == ["s-1", "s-3"]
    assert [(k["line"], k["raw"]["id"]) for k in kept] == [(2, "s-2")]


def test_a_mistyped_input_never_empties_an_earlier_result(tmp_path: Path, config: Config) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("precious\n")
    with pytest.raises(AntispamError, match="absent"):
        screen_file(tmp_path / "absent", out, tmp_path / "r", config, SETTINGS)
    assert out.read_text() == "precious\n"


@pytest.mark.parametrize("clash", ["out", "rejected"])
def test_input_output_and_rejected_lines_are_three_files(tmp_path: Path, config: Config, clash: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{}\n")
    other = tmp_path / "x"
    out, rejected = (source, other) if clash == "out" else (other, source)
    with pytest.raises(AntispamError, match="must be different files"):
        screen_file(source, out, rejected, config, SETTINGS)
    assert source.read_text() == "{}\n"


def test_people_on_a_list_are_not_written_to_however_their_numbers_were_spelled(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "ports.jsonl").write_text('{"code": "10690003", "tier": "trusted", "kind": "commercial"}\n')
    (folder / "lists.csv").write_text(
        "list,entity,value,reason,expires\nblocked,recipient,+8613800000001,,\nblocked,recipient,8613800000002,,\n"
        "unsubscribed,port_recipient,10690003:8613800000004,,\nblack,sender,+8613700000001,,\n"
    )
    recipients = ["13800000001", "+86 138 0000 0002", "013800000004", "13800000009"]
    offer = line(1, port="8610690003", recipients=recipients)
    record = {"kind": "MO", "sender": "13700000001", "recipient": "13900000001", "content": "x", "submitted_at": BEGIN}
    found, kept = run(tmp_path, [offer, record], load_directory(folder))
    assert not kept
    assert {e.recipient for e in found[0].exceptions} == {"13800000001", "13800000002", "13800000004"}
    assert found[1].verdict.value == "reject"


def test_a_csv_cell_is_one_recipient_or_a_refused_line(tmp_path: Path, config: Config) -> None:
    rows = ["id,port,recipients,content", "a,10690001,138 0000 0001,您好", "b,10690001,13800000001 13800000002,您好"]
    found, kept = run(tmp_path, rows, config, "in.csv")
    assert [(d.id, d.messages) for d in found] == [("a", 1)]
    assert [k["line"] for k in kept] == [3]


RECORD = ("r{n}", "MO", "138000000{n:02d}", "13900000001", "你好{n}", "2026-03-08T10:0{n}:00+08:00")


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
@pytest.mark.parametrize("head", ["id,kind,sender,recipient,content,submitted_at", "sep=", "ID,Kind,SENDER,...", ""])
def test_records_are_read_as_their_smsc_writes_them(tmp_path: Path, config: Config, delimiter: str, head: str) -> None:
    names = "id,kind,sender,recipient,content,submitted_at".replace(",", delimiter)
    begin = {"sep=": [f"sep={delimiter}", names], "": [], "ID,Kind,SENDER,...": [names.upper()]}.get(head, [names])
    rows = [delimiter.join(RECORD).format(n=n) for n in range(6)]
    rows[2] = rows[2].replace("你好", '"你好')
    found, kept = run(tmp_path, [*begin, *rows], config, "in.csv")
    assert [d.id for d in found] == ["r0", "r1", "r3", "r4", "r5"]
    assert [(k["line"], k["raw"]) for k in kept] == [(len(begin) + 3, rows[2] + "\n")]
    found, kept = run(tmp_path, [*begin, *rows], config, "in.csv", form=CsvForm(delimiter=delimiter, quotes=False))
    assert len(found) == 6
    assert not kept


def test_a_csv_that_is_neither_is_refused_before_an_earlier_result_is_touched(tmp_path: Path, config: Config) -> None:
    (tmp_path / "out.jsonl").write_text("precious\n")
    with pytest.raises(AntispamError, match=r"in\.csv: header: no column `content`"):
        run(tmp_path, ["id;kind;sender;recipient;submitted_at", "1;MO;1;2;3"], config, "in.csv")
    assert (tmp_path / "out.jsonl").read_text() == "precious\n"
