"""The daily list: what is missing is ordered again, what is too much is shown, what moves is left alone."""

from __future__ import annotations

from pathlib import Path

from pipeline.actions.orders.follow_up import report
from pipeline.actions.orders.order import OrderKind
from pipeline.actions.orders.reconciliation import SETTLING_MS, reconcile
from pipeline.actions.orders.white_list import read_white_list
from pipeline.files.source_file import open_source
from pipeline.order_exchange import NumberSource
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.registry import configurations
from tests.actions.orders.world import NOW, confirmed, orders, parties, sent
from tests.harness.case_events import rows

SOURCE = NumberSource.model_validate({"name": "daily", "url": "file:///out/*.csv"})
K = OrderKind


def test_numbers_are_compared_and_the_same_list_changes_nothing(any_db: Database, tmp_path: Path) -> None:
    before = NOW - SETTLING_MS - 1
    with any_db.write() as c:
        for n, kind, at in ((1, K.OFF, before), (2, K.OFF, before), (3, K.OFF, before), (3, K.ON, before)):
            confirmed(c, kind, f"1380013800{n}", "hlr", at)
        confirmed(c, K.OFF, "13800138004", "hlr", NOW)  # too young to be in the list
    path = tmp_path / "daily.csv"
    path.write_text("13800138001\n13800138003\nnobody\n13800138008\n")
    for _ in range(2):
        assert reconcile(any_db, "hlr", SOURCE, open_source(path), NOW) == (3, 1)
    [row] = rows(any_db, schema.reconciliations)
    assert (row.ours, row.theirs, row.missing, row.extra) == (2, 3, 1, 2)
    assert row.extra_numbers == ["13800138003", "13800138008"]
    assert orders(any_db)[5:] == [("off", "hlr", "open")]
    assert rows(any_db, schema.number_orders)[-1].number == "13800138002"


def test_a_number_on_its_way_is_no_difference(operational_db: Database, tmp_path: Path) -> None:
    using = parties("boss")
    with operational_db.write() as c:
        ident = report(c, NOW - 10 * SETTLING_MS, using, "13800138001", audit.PIPELINE)
        assert ident is not None
        sent(c, ident, NOW - 10 * SETTLING_MS)
    path = tmp_path / "daily.csv"
    path.write_text("number\n13800138001\n")
    reconcile(operational_db, "boss", SOURCE, open_source(path), NOW)
    [row] = rows(operational_db, schema.reconciliations)
    assert (row.ours, row.theirs, row.missing, row.extra) == (0, 1, 0, 0)


def test_a_white_list_is_put_in_force_whole(operational_db: Database, tmp_path: Path) -> None:
    path = tmp_path / "white.csv"
    path.write_text("number\n+86 13800138001\nx\n13800138002\n")
    assert read_white_list(operational_db, "boss", SOURCE, open_source(path), NOW) == (2, 1)
    with operational_db.read() as c:
        version = configurations.in_force(c, "list", "white-boss.csv")
        assert version is not None
        text = configurations.value_of(c, "list", "white-boss.csv", version)
    assert text is not None
    assert text.splitlines()[1:] == ["allow,sender,13800138001,boss,", "allow,sender,13800138002,boss,"]
