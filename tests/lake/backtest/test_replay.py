"""A replay gives the same result however ports and senders are spread over parts, and rows over batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.durations import HOUR_MS
from pipeline.lake.backtest.history import History, read_changes
from pipeline.lake.backtest.period import Period, parts, rows_of, write_parts
from pipeline.lake.backtest.replay import PolicyUnderTest, replay
from pipeline.lake.backtest.tally import Tally
from pipeline.lake.views import open_empty
from pipeline.rules.policies.policy import parse_policy
from pipeline.settings import Settings
from tests.harness.examples import examples
from tests.harness.lake.replayed import BEGIN, POLICY, lake, mixed

pytestmark = pytest.mark.long

# Every counter has another definition than live, so it is counted again.
CHANGED = parse_policy(POLICY.replace("window: 5m", "window: 4m").replace("> 5", "> 3"))
Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, History, dict[str, Rows]]:
    """Rows by port or sender."""
    folder = tmp_path_factory.mktemp("parts")
    kept, live = lake(folder)
    mixed(live)
    write_parts(kept, Period(BEGIN - 1, BEGIN + HOUR_MS), [], folder / "input")
    with open_empty(Settings(_env_file=None)) as connection:
        history = History(read_changes(connection, kept), 1, kept)
    by_sender: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts(folder / "input"):
        for batch in rows_of(folder / "input", part):
            for row in batch:
                by_sender.setdefault(row["port"] or row["shown_sender"], []).append(row)
    return kept, history, dict(by_sender)


def tally_of(kept: Settings, history: History, batches: Sequence[Rows]) -> Tally:
    (tally,) = replay(batches, [PolicyUnderTest(CHANGED, kept, BEGIN)], history)
    return tally


@settings(deadline=None, max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_result_does_not_depend_on_parts_and_batches(
    replayed: tuple[Settings, History, dict[str, Rows]], data: st.DataObject
) -> None:
    kept, history, by_sender = replayed
    assert len(by_sender) == 5
    in_order = sorted((row for rows in by_sender.values() for row in rows), key=lambda row: int(row["decided_at"]))
    whole = tally_of(kept, history, [in_order])
    merged = Tally()
    groups: dict[int, set[str]] = {}
    for sender in by_sender:
        groups.setdefault(data.draw(st.integers(0, 2)), set()).add(sender)
    for senders in groups.values():
        rows = [row for row in in_order if (row["port"] or row["shown_sender"]) in senders]
        cut = data.draw(st.integers(0, len(rows)))
        merged.merge(tally_of(kept, history, [rows[:cut], rows[cut:]]))
    assert merged == whole
    assert whole.differences > 0
