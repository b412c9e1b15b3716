"""The configuration of an epoch is that of its time, in whatever order epochs are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lake.backtest.history import SNAPSHOTS, History, read_changes
from pipeline.lake.views import open_empty
from pipeline.settings import Settings
from tests.harness.examples import examples
from tests.harness.lake.replayed import BEGIN, NOTICE, lake

LAST = 2 * SNAPSHOTS + 5


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Epoch 1 has two ports; each later epoch n lists the number n; even ones take it back."""
    kept, live = lake(tmp_path_factory.mktemp("history"))
    for epoch in range(2, LAST + 1):
        value = None if epoch % 2 else f"list,entity,value,reason,expires\nblack,sender,1069{epoch:04},,\n"
        live.configure([("list", "black", value)], BEGIN + epoch)
    live.close(BEGIN)
    return History(changes_of(kept), 1, kept)


def changes_of(kept: Settings):  # type: ignore[no-untyped-def]
    with open_empty(Settings(_env_file=None)) as connection:
        return read_changes(connection, kept)


@settings(deadline=None, max_examples=examples(30))
@given(epochs=st.lists(st.integers(1, LAST), max_size=40))
def test_an_epoch_has_its_own_configuration(history: History, epochs: list[int]) -> None:
    for epoch in epochs:
        config = history.at(epoch)
        assert config.epoch == epoch
        listed = [n for n in range(2, LAST + 1) if config.lists.find("black", f"1069{n:04}") is not None]
        assert listed == ([] if epoch % 2 else [epoch])
        assert config.ports is not None
        assert config.ports.find(NOTICE) is not None


def test_a_lake_without_configuration_has_no_changes(tmp_path: Path) -> None:
    assert changes_of(Settings(data_dir=tmp_path, _env_file=None)) == []
