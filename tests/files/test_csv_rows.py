"""A bad line of a csv costs itself: whatever stands around them, good lines are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.file_exchange import CsvForm
from pipeline.files.columns import Columns, find_columns
from pipeline.files.csv_rows import SPAN, lines_of, rows_of
from pipeline.ingest.files.line_kinds import RECORDS, SUBMISSIONS, LineKind
from pipeline.settings import Settings

SETTINGS = Settings(_env_file=None)
HEADER = "id,kind,sender,recipient,content,submitted_at,done_at,status,smsc"
TAIL = "2026-03-08T10:09:00+08:00,,,s1"
CLOSED = "a quotation mark that is not closed, or has text behind it"


def read(
    text: str, kind: LineKind = RECORDS, form: CsvForm | None = None
) -> list[tuple[int, dict[str, str] | str, str]]:
    data = text.encode("utf-8", "surrogatepass")

    def opened() -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", errors="surrogateescape", newline="")

    table = find_columns([line.text for line in lines_of(opened())][:100], [kind.columns(SETTINGS, form)])
    return list(rows_of(lines_of(opened()), table))


def record(n: int, content: str) -> str:
    return f"r{n},MO,138000000{n:02d},13900000001,{content},{TAIL}"


def contents(text: str) -> Iterator[str]:
    return (row["content"] for _, row, _ in read(text) if isinstance(row, dict))


def test_a_text_that_begins_with_a_quotation_mark_costs_its_own_line() -> None:
    lines = [record(n, f"你好{n}") for n in range(6)]
    lines.insert(2, record(9, '"快来看'))
    found = read("\n".join([HEADER, *lines]))
    assert [row["id"] for _, row, _ in found if isinstance(row, dict)] == [f"r{n}" for n in range(6)]
    assert [(n, raw, fault) for n, raw, fault in found if fault] == [(4, record(9, '"快来看') + "\n", CLOSED)]


def test_a_text_that_closes_the_mark_of_another_takes_nothing_between_them_along() -> None:
    lines = [record(1, '"hello'), record(2, "good"), record(3, 'closes"'), record(4, "x"), record(5, '"')]
    found = read("\n".join([HEADER, *lines]))
    assert [row["content"] for _, row, _ in found if isinstance(row, dict)] == ["good", 'closes"', "x"]
    assert len(found) == 5


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_cell_may_go_on_over_lines_that_are_no_records(end: str) -> None:
    content = f'"first, line{end}{end}second ""line"",{end}MO,13800000000,third"'
    text = end.join([HEADER, record(1, content), record(2, "x")])
    assert list(contents(text)) == [content.strip('"').replace('""', '"'), "x"]
    assert [number for number, *_ in read(text)] == [5, 6]


def test_a_row_goes_on_over_a_bounded_number_of_lines() -> None:
    for more, read_whole in ((SPAN, True), (SPAN + 1, False)):
        found = read("\n".join([HEADER, record(1, '"' + "a\n" * more + 'b"'), record(2, "x")]))
        assert ([fault for _, _, fault in found] == ["", ""]) is read_whole
        assert [row["id"] for _, row, _ in found if isinstance(row, dict)][-1] == "r2"


def test_submissions_too() -> None:
    rows = ['a,10690001,13800000001,"开', "b,10690001,13800000002,您好", 'c,10690001,13800000003,"两', '行"']
    text = "\n".join(["id,port,recipients,content", *rows])
    found = read(text, SUBMISSIONS)
    assert [(n, row["content"] if isinstance(row, dict) else "") for n, row, _ in found] == [
        (2, ""),
        (3, "您好"),
        (5, "两\n行"),
    ]


def test_without_quoting_each_line_is_a_row() -> None:
    lines = [record(1, '"hello'), record(2, '"a" b'), record(3, 'c""')]
    found = read("\n".join([HEADER, *lines]), form=CsvForm(quotes=False))
    assert [row["content"] for _, row, _ in found if isinstance(row, dict)] == ['"hello', '"a" b', 'c""']


_texts = st.text(st.characters(codec="utf-8", exclude_characters=',"\r\n'), min_size=1, max_size=12)
_hostile = st.one_of(
    st.sampled_from([f'b",{TAIL}', '"', '","', record(92, '""'), "\x00", '"' * 40, "\udcff\udc80"]),
    st.text('",;ab \t你', max_size=20),
    st.builds('r,MO,13800000000,13900000001,"{},{}'.format, st.text('",a', max_size=8), st.sampled_from([TAIL, ""])),
    st.builds('{}",{}'.format, st.text('",a', max_size=8), st.just(TAIL)),
)


_opens, _closes = st.just(record(90, '"a')), st.just(record(91, 'b"'))
_lines = st.one_of(st.tuples(st.just(True), _texts), st.tuples(st.just(False), st.one_of(_opens, _closes, _hostile)))


@given(st.lists(_lines, max_size=12), st.booleans())
def test_any_mix_of_good_and_hostile_lines_gives_every_good_line(mix: list[tuple[bool, str]], quoted: bool) -> None:
    def line(n: int, is_good: bool, text: str) -> str:
        return record(n, f'"{text}"' if quoted else text).replace(f"r{n}", f"good{n}", 1) if is_good else text

    lines = [line(n, *of) for n, of in enumerate(mix)]
    found = read("\n".join([HEADER, *lines]) + "\n")
    good = [
        (row["id"], row["content"]) for _, row, fault in found if isinstance(row, dict) and row["id"].startswith("good")
    ]
    assert good == [(f"good{n}", text) for n, (is_good, text) in enumerate(mix) if is_good]
    numbers = [number for number, *_ in found]
    assert numbers == sorted(set(numbers))
    hostile = sum(1 for is_good, text in mix if not is_good and text.strip())
    assert sum(1 for _, _, fault in found if fault) <= hostile


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=2, max_size=2), max_size=6))
def test_where_nothing_tells_a_row_from_a_text_it_is_as_the_csv_module_reads_it(table: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["id", "text"], *(["1", *row[1:]] for row in table)])
    wanted = find_columns(["id,text"], [Columns(("id", "text"), frozenset(("id", "text")))])
    data = io.TextIOWrapper(io.BytesIO(text.getvalue().encode()), "utf-8", errors="surrogateescape", newline="")
    assert [row for _, row, _ in rows_of(lines_of(data), wanted)] == [{"id": "1", "text": row[1]} for row in table]
