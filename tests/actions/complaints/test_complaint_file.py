"""Files of complaint channels, as the channels write them: what is good is taken once, what is bad is kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipeline.actions.complaints.complaint_file import (
    Imported,
    import_complaints,
    read_upload,
    rejected_file,
    take_lines,
)
from pipeline.actions.complaints.intake import Taken
from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, add_port, rows

OPS = User("ops", Role.OPERATOR)

CENTRE = """举报编号,举报人号码,被举报号码,举报时间,举报内容,举报类型
A001,138****8000,1069000199,2025-11-25 11:30:00,【某某】恭喜中奖，点击 t.cn/x 领取,违法
A002,13900139000,10690001,2025-11-25 10:00:00,"【某某】引号""里"",还有逗号",商业
A002,13900139000,10690001,2025-11-25 10:00:00,"【某某】引号""里"",还有逗号",商业
A003,,10690001,2025-11-25 10:00:00,没有号码,商业
A004,13900139001,一个骗子,2025-11-25 10:00:00,不是号码,商业
A005,13900139001,10690001,25/11/2025,时间不对,商业
A006,13900139002,13712345678,2025-11-25 10:00:00,个人发的 卡号 6222021234567890,违法
"""
HOTLINE = """工单编号;投诉号码;被投诉号码;投诉时间;投诉内容
H1;"+86 139-0013-9000";10690001;2025/11/25 09:05;"他说:""退订""
第二行"
H2;13900139001;10690001;2025/11/25 09:06;"没有关上
H3;13900139002;10690001;2025/11/25 09:07;普通
"""
ARCHIVE = """13900139000|10086999|20251125093000|10690001*【某某】中奖
13900139001|10086999|20251125093100|10690001#【某某】中奖
13900139002#10086999#20251125093200#10690001＊【某某】中奖 # 3

13900139003|10086999|20251125093300|你们管管
13900139000|10086999|20251125093000|10690001*【某某】中奖
"""
FORWARDED = """time,reporter,sender,message,id
2025-11-25T01:30:00Z,+86 13900139000,10690001,"win, now",f1
2025-11-25T01:31:00+00:00,8613900139001,+447700900123,"hello
there",f2
2025-11-25,13900139002,10690001,no time,f3
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def given(db: Database, settings: Settings, folder: Path, source: str, data: bytes) -> tuple[Imported, list[int]]:
    """The result of a file, and the numbers of its rejected lines."""
    path = folder / f"{source}.txt"
    path.write_bytes(data)
    kept = folder / "bad.jsonl"
    result = import_complaints(db, OPS, path, kept, source, settings)
    return result, [
        msgspec.json.decode(line)["line"] for line in kept.read_bytes().splitlines()
    ] if kept.exists() else []


def test_a_file_of_the_reporting_centre_in_gbk(any_db: Database, settings: Settings, tmp_path: Path) -> None:
    with any_db.write() as c:
        add_port(c)
    result, bad = given(any_db, settings, tmp_path, "12321", CENTRE.encode("gbk"))
    assert (result, bad) == (Imported(Taken(3, 1, 1), 3), [5, 6, 7])
    found = {row.reference: row for row in rows(any_db, schema.complaints)}
    assert sorted(found) == ["A001", "A002", "A006"]
    assert (found["A001"].recipient, found["A001"].port, found["A001"].complained_at) == ("138****8000", PORT, NOW)
    assert found["A002"].content == '【某某】引号"里",还有逗号'
    assert "6222" not in found["A006"].content  # from a person to a person
    again, bad = given(any_db, settings, tmp_path, "12321", CENTRE.encode("utf-8-sig"))  # the same, in another code
    assert (again, bad) == (Imported(Taken(0, 4, 0), 3), [5, 6, 7])
    assert len(rows(any_db, schema.complaints)) == 3
    assert [row.value for row in rows(any_db, schema.list_entries)] == [f"{PORT}:13900139000"]


def test_a_hotline_csv_with_a_byte_order_mark_quotes_and_line_breaks(
    operational_db: Database, settings: Settings, tmp_path: Path
) -> None:
    result, bad = given(operational_db, settings, tmp_path, "hotline", HOTLINE.encode("utf-8-sig"))
    assert (result.taken.new, result.rejected, bad) == (2, 1, [4])
    first = next(row for row in rows(operational_db, schema.complaints) if row.reference == "H1")
    assert (first.recipient, first.content) == ("13900139000", '他说:"退订"\n第二行')


def test_an_archive_of_messages_to_a_complaint_code(
    operational_db: Database, settings: Settings, tmp_path: Path
) -> None:
    result, bad = given(operational_db, settings, tmp_path, "mo", ARCHIVE.encode("gbk"))
    assert (result.taken, bad) == (Taken(3, 1, 3), [5])
    assert {row.port for row in rows(operational_db, schema.complaints)} == {PORT}


def test_messages_forwarded_to_7726(operational_db: Database, settings: Settings, tmp_path: Path) -> None:
    result, bad = given(operational_db, settings, tmp_path, "7726", FORWARDED.encode())
    assert (result.taken.new, bad) == (2, [5])
    assert {row.port for row in rows(operational_db, schema.complaints)} == {PORT, "447700900123"}


def test_an_upload_is_shown_before_it_is_taken(operational_db: Database, settings: Settings) -> None:
    lines = read_upload(OPS, CENTRE.encode("gbk"), "12321", settings)
    assert rows(operational_db, schema.complaints) == []
    assert [line.number for line in lines if isinstance(line.complaint, str)] == [5, 6, 7]
    assert take_lines(operational_db, OPS, lines, settings) == Taken(3, 1, 3)
    assert rejected_file(lines).count(b"\n") == 3


def test_a_file_that_is_none_is_refused_and_nobody_without_the_right_takes_one(
    operational_db: Database, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(AntispamError, match=r"^header: no column `举报编号`"):
        read_upload(OPS, b"a,b\n1,2\n", "12321", settings)
    with pytest.raises(AntispamError, match="not gzip"):
        read_upload(OPS, b"\x1f\x8b123", "12321", settings)
    with pytest.raises(AntispamError, match="unknown shape 'other'; one of 12321, 7726, hotline, mo"):
        read_upload(OPS, b"a", "other", settings)
    with pytest.raises(Forbidden):
        read_upload(User("v", Role.VIEWER), b"a", "mo", settings)
    with pytest.raises(Forbidden, match="beyond the scope"):
        read_upload(User("o", Role.OPERATOR, {"city": "北京"}), b"a", "mo", settings)
    with pytest.raises(AntispamError, match="No such file"):
        import_complaints(operational_db, OPS, tmp_path / "none.csv", tmp_path / "r", "mo", settings)
