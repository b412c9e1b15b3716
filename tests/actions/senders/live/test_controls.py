"""People steer channels: checked, audited, undone, and not over each other's heads. Both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from pipeline.actions.senders.live.controls import MAX_REASON, Control, controls, in_force, steer, undo
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database

BO = User("bo", Role.OPERATOR)
CHANNELS = ("default", "one", "two")
NOW = 1_800_000_000_000
OFF = Control(off=True)


def test_a_change_is_in_force_and_in_the_trail(any_db: Database) -> None:
    assert steer(any_db, BO, CHANNELS, "one", OFF, None, "the carrier works on it", NOW)
    assert in_force(any_db) == {"one": OFF}
    found = controls(any_db, BO)["one"]
    assert (found.changed_by, found.changed_at, found.reason) == ("bo", NOW, "the carrier works on it")
    with any_db.read() as connection:
        row = connection.execute(select(schema.audit)).one()
    assert (row.actor, row.action, row.subject, row.reason) == (
        "bo",
        "channel.steer",
        "channel/one",
        "the carrier works on it",
    )
    assert (row.before["off"], row.after["off"]) == (False, True)


def test_the_last_change_can_be_undone_and_done_again(any_db: Database) -> None:
    slow = Control(total_rate=5.0, next=("two", "default"))
    steer(any_db, BO, CHANNELS, "one", slow, None, "slow", NOW)
    steer(any_db, BO, CHANNELS, "one", OFF, NOW, "off", NOW + 1)
    assert undo(any_db, BO, "one", NOW + 1, NOW + 2)
    assert in_force(any_db) == {"one": slow}
    assert undo(any_db, BO, "one", NOW + 2, NOW + 3)
    assert in_force(any_db) == {"one": OFF}
    assert not undo(any_db, BO, "two", NOW, NOW)


def test_two_people_do_not_overrule_each_other_unseen(any_db: Database) -> None:
    steer(any_db, BO, CHANNELS, "one", OFF, None, "x", NOW)
    with pytest.raises(AntispamError, match="meanwhile"):
        steer(any_db, BO, CHANNELS, "one", Control(total_rate=1.0), None, "x", NOW + 1)
    with pytest.raises(AntispamError, match="meanwhile"):
        undo(any_db, BO, "one", NOW - 1, NOW + 1)
    assert in_force(any_db) == {"one": OFF}


def test_the_same_again_changes_nothing(any_db: Database) -> None:
    steer(any_db, BO, CHANNELS, "one", OFF, None, "x", NOW)
    assert not steer(any_db, BO, CHANNELS, "one", OFF, NOW, "y", NOW + 1)
    assert controls(any_db, BO)["one"].reason == "x"


@pytest.mark.parametrize(
    ("channel", "control", "reason"),
    [
        ("three", OFF, "x"),
        ("one", OFF, " "),
        ("one", OFF, "x" * (MAX_REASON + 1)),
        ("one", Control(total_rate=0.0), "x"),
        ("one", Control(total_rate=float("nan")), "x"),
        ("one", Control(total_rate=1e9), "x"),
        ("one", Control(next=("one",)), "x"),
        ("one", Control(next=("two", "two")), "x"),
        ("one", Control(next=("three",)), "x"),
    ],
)
def test_what_makes_no_sense_is_refused(operational_db: Database, channel: str, control: Any, reason: str) -> None:
    with pytest.raises(AntispamError):
        steer(operational_db, BO, CHANNELS, channel, control, None, reason, NOW)
    assert in_force(operational_db) == {}


def test_channels_are_of_all_ports_so_a_scope_may_not_steer_them(operational_db: Database) -> None:
    with pytest.raises(Forbidden):
        steer(operational_db, User("bo", Role.OPERATOR, {"enterprise": "e"}), CHANNELS, "one", OFF, None, "x", NOW)
