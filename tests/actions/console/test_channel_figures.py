"""The figures of channels count parts, hide other enterprises' traffic, and leave out what is older."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from pipeline.actions.console.channel_figures import CarrierError, figures
from pipeline.actions.senders.part import DeliveryState
from pipeline.rules.numbering.regions import region_of
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database

NOW = 1_796_000_000_000
ALL = User("anna", Role.VIEWER)
NORTH, SOUTH = "10690001", "10690002"


@pytest.fixture
def db(any_db: Database) -> Database:
    rows = [
        (NORTH, "13800000001", "default", "delivered", "DELIVRD", 1, 1000),
        (NORTH, "13800000002", "default", "delivered", "DELIVRD", 3, 3000),
        (NORTH, "13900000003", "default", "failed", "MA:0001", 1, 2000),
        (NORTH, "13900000004", "default", "submitted", "", 1, 0),
        (NORTH, "13900000005", "default", "refused", "result 9", 0, 0),
        (NORTH, "13900000006", "default", "maybe_sent", "", 1, 0),
        (NORTH, "13900000007", "default", "stopped", "", 0, 0),
        (SOUTH, "13000000001", "other", "delivered", "DELIVRD", 1, 500),
    ]
    with any_db.write() as connection:
        for code, enterprise in ((NORTH, "e-north"), (SOUTH, "e-south")):
            connection.execute(insert(schema.enterprises).values(id=enterprise, name=enterprise, created_at=0))
            connection.execute(
                insert(schema.ports).values(
                    code=code,
                    enterprise=enterprise,
                    tier="ordinary",
                    kind="notice",
                    state="open",
                    channel="default",
                    opened_at=0,
                    changed_at=0,
                )
            )
        for n, (port, recipient, channel, state, status, tries, took) in enumerate(rows):
            row = {"port": port, "submission": f"s{n}", "n": 1, "part": 1, "recipient": recipient, "channel": channel}
            row |= {"state": state, "status": status, "tries": tries, "changed_at": NOW}
            connection.execute(insert(schema.deliveries).values(**row, submitted_at=NOW - took))
    return any_db


def test_parts_are_counted_by_how_far_they_came(db: Database) -> None:
    channels, errors = figures(db, ALL, NOW - 1)
    assert [channel.name for channel in channels] == ["default", "other"]
    default = channels[0]
    funnel = default.funnel
    assert (funnel.total, funnel.accepted, funnel.reported, funnel.delivered) == (7, 4, 3, 2)
    assert (funnel.refused, funnel.unsent, funnel.doubtful) == (1, 1, 1)
    assert (funnel.success, funnel.reports) == (2 / 3, 3 / 4)
    assert default.again == 2
    assert (default.report_p50_ms, default.report_p95_ms) == (2000.0, 3000.0)
    assert default.segments["139"].failures == (("MA:0001", 1), ("result 9", 1))
    assert default.segments["138"].failures == ()
    regions = {region: found.funnel.total for region, found in default.regions.items()}
    assert sum(regions.values()) == 7
    assert regions[region_of("13800000001")] >= 2
    assert {digits: found.funnel.total for digits, found in default.segments.items()} == {"138": 2, "139": 5}
    assert errors == [
        CarrierError("default", DeliveryState.FAILED, "MA:0001", 1, NOW),
        CarrierError("default", DeliveryState.REFUSED, "result 9", 1, NOW),
    ]


def test_a_scope_hides_the_traffic_of_others(db: Database) -> None:
    channels, errors = figures(db, User("bo", Role.VIEWER, {"enterprise": "e-south"}), NOW - 1)
    assert [(channel.name, channel.funnel.total) for channel in channels] == [("other", 1)]
    assert errors == []


def test_older_parts_are_left_out(db: Database) -> None:
    assert figures(db, ALL, NOW) == ([], [])
