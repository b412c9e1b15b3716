"""People steer channels: checked, audited, undone, and not over each other's heads. Both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.actions.senders.live import controls as module
from pipeline.actions.senders.live.controls import Control, Steered, controls, in_force, steer, undo
from pipeline.actions.senders.live.states import NO_NEWS_MS, ChannelState, tell
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
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
    steer(any_db, BO, CHANNELS, "one", OFF, NOW, "broken", NOW + 1)
    assert undo(any_db, BO, "one", NOW + 1, "it works", NOW + 2)
    assert in_force(any_db) == {"one": slow}
    assert undo(any_db, BO, "one", NOW + 2, "broken again", NOW + 3)
    assert controls(any_db, BO)["one"].reason == "broken again"
    assert in_force(any_db) == {"one": OFF}
    assert not undo(any_db, BO, "two", NOW, "it works", NOW)


def test_two_people_do_not_overrule_each_other_unseen(any_db: Database) -> None:
    steer(any_db, BO, CHANNELS, "one", OFF, None, "they ask", NOW)
    with pytest.raises(AntispamError, match="meanwhile"):
        steer(any_db, BO, CHANNELS, "one", Control(total_rate=1.0), None, "they ask", NOW + 1)
    with pytest.raises(AntispamError, match="meanwhile"):
        undo(any_db, BO, "one", NOW - 1, "it works", NOW + 1)
    assert in_force(any_db) == {"one": OFF}


def test_weights_are_kept_undone_and_checked(any_db: Database) -> None:
    shared = Control(weights={"one": 3, "two": 1})
    steer(any_db, BO, CHANNELS, "one", shared, None, "try the new carrier", NOW)
    assert in_force(any_db) == {"one": shared}
    undo(any_db, BO, "one", NOW, "it refuses", NOW + 1)
    assert in_force(any_db) == {"one": Control()}
    for wrong in ({}, {"three": 1}, {"one": 0}, {"one": 101}):
        with pytest.raises(AntispamError, match="weights"):
            steer(any_db, BO, CHANNELS, "one", Control(weights=wrong), NOW + 1, "try the new carrier", NOW + 2)


def test_only_channels_of_one_sender_share_messages(any_db: Database) -> None:
    quiet = ChannelState(off=False, waiting=0, total_rate=0.0, next=(), links=())
    tell(any_db, "host/1", {"default": quiet, "one": quiet}, NOW)
    tell(any_db, "host/2", {"two": quiet}, NOW)
    steer(any_db, BO, CHANNELS, "one", Control(next=("default",)), None, "they are slow", NOW + 1)
    for apart in (Control(next=("default", "two")), Control(weights={"one": 3, "two": 1})):
        with pytest.raises(AntispamError, match="'one' cannot share with two"):
            steer(any_db, BO, CHANNELS, "one", apart, NOW + 1, "they are slow", NOW + 2)
    later = NOW + NO_NEWS_MS + 1  # nobody knows who serves what
    steer(any_db, BO, CHANNELS, "one", Control(next=("two",)), NOW + 1, "they are slow", later)
    assert in_force(any_db) == {"one": Control(next=("two",))}


@pytest.mark.postgresql
def test_of_two_changes_at_the_same_time_one_is_refused(postgres_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, check = Barrier(2), module._check_seen

    def together(known: Steered | None, seen_at: int | None) -> None:
        with suppress(BrokenBarrierError):  # with the lock, only one has looked by now
            looked.wait(0.5)
        check(known, seen_at)

    monkeypatch.setattr(module, "_check_seen", together)
    wanted = [OFF, Control(total_rate=1.0)]
    with ThreadPoolExecutor(2) as people:
        done = [people.submit(steer, postgres_db, BO, CHANNELS, "one", one, None, "they ask", NOW) for one in wanted]
    (kept,) = [control for control, each in zip(wanted, done, strict=True) if each.exception() is None]
    assert in_force(postgres_db) == {"one": kept}


def test_settings_that_another_version_stored_leave_the_sender_running(operational_db: Database) -> None:
    steer(operational_db, BO, CHANNELS, "one", OFF, None, "they ask", NOW)
    with operational_db.write() as connection:
        connection.execute(update(schema.channel_controls).values(before={"off": "never"}))
    assert in_force(operational_db) == {"one": OFF}
    assert controls(operational_db, BO)["one"].before is None
    assert not undo(operational_db, BO, "one", NOW, "it works", NOW + 1)


def test_the_same_again_changes_nothing(any_db: Database) -> None:
    steer(any_db, BO, CHANNELS, "one", OFF, None, "they ask", NOW)
    assert not steer(any_db, BO, CHANNELS, "one", OFF, NOW, "again", NOW + 1)
    assert controls(any_db, BO)["one"].reason == "they ask"


@pytest.mark.parametrize(
    ("channel", "control", "reason"),
    [
        ("three", OFF, "they ask"),
        ("one", OFF, " off "),
        ("one", OFF, "x" * (audit.LONGEST_REASON + 1)),
        ("one", Control(total_rate=0.0), "they ask"),
        ("one", Control(total_rate=float("nan")), "they ask"),
        ("one", Control(total_rate=1e9), "they ask"),
        ("one", Control(next=("one",)), "they ask"),
        ("one", Control(next=("two", "two")), "they ask"),
        ("one", Control(next=("three",)), "they ask"),
    ],
)
def test_what_makes_no_sense_is_refused(operational_db: Database, channel: str, control: Any, reason: str) -> None:
    with pytest.raises(AntispamError):
        steer(operational_db, BO, CHANNELS, channel, control, None, reason, NOW)
    assert in_force(operational_db) == {}


def test_channels_are_of_all_ports_so_a_scope_may_not_steer_them(operational_db: Database) -> None:
    with pytest.raises(Forbidden):
        steer(
            operational_db, User("bo", Role.OPERATOR, {"enterprise": "e"}), CHANNELS, "one", OFF, None, "they ask", NOW
        )
