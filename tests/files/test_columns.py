"""A csv is read as its SMSC writes it, or refused as a whole by the name of what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.errors import AntispamError
from pipeline.file_exchange import CsvForm, RecordSource
from pipeline.files.columns import find_columns
from pipeline.files.source_file import UnreadableFileError, open_source
from pipeline.ingest.files.line_kinds import RECORDS, SUBMISSIONS
from pipeline.settings import Settings

SETTINGS = Settings(_env_file=None)
FIELDS = ("r0", "MO", "13800000000", "13900000001", "你好", "2026-03-08T10:00:00+08:00")
NAMES = ("id", "kind", "sender", "recipient", "content", "submitted_at")
READ = dict(zip(NAMES, FIELDS, strict=True))


def read(
    folder: Path, text: str, named: Mapping[str, str | int] | None = None, data: bytes | None = None, **form: Any
) -> list[dict[str, str]]:
    """The fields of each row of a file of records."""
    path = folder / "in.csv"
    path.write_bytes(text.encode() if data is None else data)
    source = open_source(path)
    settings = SETTINGS.model_copy(update={"record_columns": named})
    table = source.table([RECORDS.columns(settings, CsvForm(**form))])
    assert table is not None
    rows = list(source.rows(table))
    assert [fault for _, _, fault, _ in rows if fault] == []
    return [table.fields(row) for _, row, _, _ in rows]


def refusal(folder: Path, text: str, named: Mapping[str, str | int] | None = None, **form: Any) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        read(folder, text, named, **form)
    return str(caught.value).removeprefix(f"{folder / 'in.csv'}: ")


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
@pytest.mark.parametrize(
    "head",
    [
        "{names}",
        "\ufeff{names}",
        "sep={d}\n{names}",
        '"sep={d}"\r\n{names}',
        "{upper}",
        "{padded}",
        "{quoted}",
        "\n{names}",
        "",
        "sep={d}",
        "\ufeff",
    ],
)
def test_delimiter_and_header_are_seen(tmp_path: Path, delimiter: str, head: str) -> None:
    begin = head.format(
        d=delimiter,
        names=delimiter.join(NAMES),
        upper=delimiter.join(NAMES).upper(),
        padded=delimiter.join(f" {name}  " for name in NAMES),
        quoted=delimiter.join(f'"{name}" ' for name in NAMES),
    )
    begin = begin if begin in ("", "\ufeff") else begin + "\n"
    row = delimiter.join(FIELDS)
    assert read(tmp_path, f"{begin}{row}\n{row}\r\n\r\n{row}") == [READ] * 3
    assert read(tmp_path, f"{begin}{row}{delimiter}\n{row}{delimiter}{delimiter}\n") == [READ] * 2
    gbk = f"{begin}{row}\n".removeprefix("\ufeff").encode("gbk")
    assert read(tmp_path, "", data=gbk) == [READ]


def test_the_first_record_of_a_file_without_header_does_not_vanish(tmp_path: Path) -> None:
    rows = "".join(",".join((f"r{n}", *FIELDS[1:])) + "\n" for n in range(6))
    assert [row["id"] for row in read(tmp_path, rows)] == [f"r{n}" for n in range(6)]
    assert [row["id"] for row in read(tmp_path, rows, header=False)] == [f"r{n}" for n in range(6)]


def test_columns_are_named_by_the_settings_and_others_are_not_read(tmp_path: Path) -> None:
    named = {"kind": "TYPE", "sender": "MSISDN", "content": "消息内容"}
    row = "你好;13800000000;MO;13900000001;2026-03-08T10:00:00+08:00;x;y"
    text = f"消息内容 ;msisdn;Type;RECIPIENT;submitted_at;id;status\n{row}\n"
    assert read(tmp_path, text, named) == [{k: v for k, v in READ.items() if k != "id"}]


def test_columns_are_named_by_their_places(tmp_path: Path) -> None:
    named: dict[str, str | int] = {name: 9 - n for n, name in enumerate(NAMES)}
    row = "|".join(["a", "b", "c", *reversed(FIELDS), "d"])
    assert read(tmp_path, f"{row}\n{row}\n", named) == [READ, READ]
    assert read(tmp_path, f"whatever{'|x' * 9}\n{row}\n", named, header=True) == [READ]
    first_is_bad = row.replace("MO", "??")
    path = tmp_path / "in.csv"
    path.write_text(f"{first_is_bad}\n{row}\n")
    table = open_source(path).table([RECORDS.columns(SETTINGS.model_copy(update={"record_columns": named}))])
    assert [number for number, *_ in open_source(path).rows(table)] == [1, 2]


def test_a_quotation_mark_is_a_character_where_cells_are_not_quoted(tmp_path: Path) -> None:
    row = ",".join(FIELDS).replace("你好", '"你好')
    assert read(tmp_path, f"{','.join(NAMES)}\n{row}\n", quotes=False) == [READ | {"content": '"你好'}]


@pytest.mark.parametrize(
    ("text", "named", "form", "fault"),
    [
        (
            "id,kind,sender,recipient,content\n",
            None,
            {},
            "header: no column `submitted_at`, and the first line is no row by itself",
        ),
        ("a|b\n1|2\n", None, {}, "header: no column `kind`, `sender`, `recipient`, `content`, `submitted_at`, and the"),
        (",".join(NAMES), {"sender": "MSISDN"}, {}, "header: no column `MSISDN`"),
        (",".join(FIELDS), {"sender": "MSISDN"}, {}, "header: no column `kind`, `MSISDN`"),
        (",".join(NAMES), {"status": "STAT"}, {}, "header: no column `STAT`"),
        (",".join(NAMES) + ",KIND\n", None, {}, "header: column `kind` occurs twice"),
        (",".join(FIELDS), None, {"header": True}, "header: no column `kind`"),
        ("|".join(FIELDS), None, {"delimiter": ","}, "header: no column `kind`"),
        (
            ",".join(NAMES),
            None,
            {"header": False},
            "no header is expected, and none of the first 100 lines is a row with the columns id 1, kind 2, sender 3",
        ),
        (
            "MO,13800000000\n",
            {"kind": 1, "sender": 2, "recipient": 7},
            {},
            "no header is expected, and none of the first 100 lines is a row with the columns kind 1, sender 2",
        ),
        ("sep=x\n", None, {}, "sep=: one of"),
    ],
)
def test_a_file_without_a_column_that_is_needed_is_refused_by_its_name(
    tmp_path: Path, text: str, named: Mapping[str, str | int] | None, form: dict[str, Any], fault: str
) -> None:
    said = refusal(tmp_path, text, named, **form)
    assert said.startswith(fault)
    assert "13800000000" not in said


def test_a_column_that_a_submission_does_not_have_is_a_mistake() -> None:
    wanted = [SUBMISSIONS.columns(SETTINGS)]
    with pytest.raises(AntispamError, match="header: unknown column `valid_untl`; known are id, port, recipients"):
        find_columns(["port,recipients,content,valid_untl"], wanted)
    with pytest.raises(AntispamError, match="header: unknown column number 4;"):
        find_columns(["port,recipients,content,13800000001"], wanted)


def test_the_likeliest_kind_whose_columns_are_there_is_taken() -> None:
    wanted = [RECORDS.columns(SETTINGS), SUBMISSIONS.columns(SETTINGS)]
    assert find_columns([",".join(NAMES)], wanted).what is wanted[0]
    assert find_columns(["Port;Recipients;Content"], wanted).what is wanted[1]
    assert find_columns([",".join(FIELDS)], wanted).what is wanted[0]
    assert find_columns(["c1|10690001|13800000001;13800000002|您好"], wanted).what is wanted[1]


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    for text in ("", "\n\n", "sep=;\n", "\ufeff"):
        assert read(tmp_path, text) == []


def test_a_source_without_header_needs_numbers() -> None:
    place = {"name": "a", "url": "file:///a/*.csv"}
    assert RecordSource.model_validate(place | {"columns": {"kind": 2}, "delimiter": "\t"}).columns == {"kind": 2}
    for wrong in ({"columns": {"kind": "K"}, "header": False}, {"columns": {"kind": 0}}, {"delimiter": ":"}):
        with pytest.raises(ValidationError):
            RecordSource.model_validate(place | wrong)
