"""The result of each line is written in order, survives a kill, and is one row of a csv."""

from __future__ import annotations

from pathlib import Path

from pipeline.files.results import Result, Results, result_row


def test_a_killed_run_is_continued_after_the_last_committed_line(tmp_path: Path) -> None:
    path = tmp_path / "results"
    with Results(path) as results:
        for line in range(2, 12):
            results.add(line, f"id{line}", Result.ACCEPTED)
    with path.open("ab") as file:
        file.write(b"1")  # the beginning of line 12, not that of line 1
    with Results(path, keep_lines=5) as results:
        results.add(6, "", Result.REFUSED, "content: empty")
    assert path.read_text().splitlines() == [
        "2,id2,accepted,",
        "3,id3,accepted,",
        "4,id4,accepted,",
        "5,id5,accepted,",
        "6,,refused,content: empty",
    ]


def test_a_reason_stays_in_its_cell_and_its_line() -> None:
    assert result_row(None, "", Result.REFUSED, 'first\nsecond, "third"') == b',,refused,"first second, ""third"""\n'
