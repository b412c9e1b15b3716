"""The rows of a period: each decision with its event, in the order of live."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipeline.durations import HOUR_MS
from pipeline.errors import AntispamError
from pipeline.lake.backtest import period
from pipeline.lake.backtest.period import Period, contents, parts, rows_of, write_parts
from pipeline.settings import Settings
from tests.harness.lake.replayed import BEGIN, NOTICE, POLICY, lake, record, send, submission

pytestmark = pytest.mark.long

PERIOD = Period(BEGIN - HOUR_MS, BEGIN + HOUR_MS)


def rows(settings: Settings, folder: Path) -> list[list[str]]:
    """Ids by part."""
    write_parts(settings, PERIOD, [], folder)
    return [[row["id"] for batch in rows_of(folder, part) for row in batch] for part in parts(folder)]


def test_a_clock_that_goes_back_does_not_change_the_order(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    for number, now in ((1, 9000), (2, 4000), (3, 5000), (4, 9500)):
        live.poll([submission(number)], BEGIN + now)
    live.close(BEGIN + 10_000)
    assert rows(settings, tmp_path / "input") == [["s1", "s2", "s3", "s4"]]


def test_a_part_holds_whole_ports_and_senders(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    for number in range(10):
        send(live, [record(number, f"1380013{number:04}"), record(100 + number, f"1380013{number:04}")])
    live.close(BEGIN + HOUR_MS)
    found = rows(settings, tmp_path / "input")
    assert len(found) > 1
    assert all(
        {int(name[1:]) % 100 for name in part} == {int(name[1:]) for name in part if len(name) == 2} for part in found
    )


def test_an_event_that_lies_on_its_topic_twice_is_one_row(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    once = submission(1)
    send(live, [once])
    live._put("submissions.bulk", 0, once, BEGIN)  # as a client repeats it: the worker drops it
    partition = next(number for topic, number in live._held if topic == "decisions")
    live._put("submissions.bulk", partition, once, BEGIN)
    live.close(BEGIN)
    assert rows(settings, tmp_path / "input") == [["s1"]]


def test_numbers_texts_and_names_come_back_whole(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    given = msgspec.structs.replace(submission(1, content="王女士，验证码482913"), id="13800138000-1")
    send(live, [given])
    live.close(BEGIN)
    write_parts(settings, PERIOD, [], tmp_path / "input")
    ((row,),) = rows_of(tmp_path / "input", next(iter(parts(tmp_path / "input"))))
    assert (row["id"], row["content"], tuple(row["recipients"])) == (given.id, given.content, given.recipients)
    assert given.id not in str([row["shown_id"], row["masked"]])
    assert "482913" not in row["masked"]


def test_too_little_space_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, live = lake(tmp_path)
    send(live, [submission(1)])
    live.close(BEGIN)
    monkeypatch.setattr(period, "JOIN_MEMORY", "1MB")
    with pytest.raises(AntispamError, match="the period cannot be joined: Out of Memory") as refused:
        write_parts(settings, PERIOD, [], tmp_path / "input")
    assert "\n" not in str(refused.value)


def test_the_print_changes_with_the_decisions(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    send(live, [submission(1)])
    live.close(BEGIN)
    first = contents(settings, PERIOD)
    assert (first.decisions, first.first_epoch, len(first.policies)) == (1, 1, 1)
    assert contents(settings, PERIOD) == first
    live.configure([("policy", "policy.yaml", POLICY.replace("> 5", "> 4"))], BEGIN)
    send(live, [submission(2, NOTICE)])
    live.close(BEGIN)
    second = contents(settings, PERIOD)
    assert (second.decisions, len(second.policies)) == (2, 2)
    assert second.print != first.print
