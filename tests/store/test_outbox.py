"""Ids of the outbox, which are epochs: each given out once, and a lower one never committed after a higher."""

from __future__ import annotations

import subprocess
from threading import Event, Thread

import pytest
from sqlalchemy import select

from pipeline.rules.ports import PortEntry
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.processes.forked import Forked

pytestmark = pytest.mark.long

ADMIN = User("admin", Role.ADMINISTRATOR)
WRITER = """
import sys
from pipeline.rules.ports import PortEntry
from pipeline.store.registry import registry
from pipeline.store.database import Database
from pipeline.store.accounts.roles import Role, User
db = Database(sys.argv[1], b"of the audit")
for n in range(int(sys.argv[3])):
    entry = PortEntry(code="1069", name=f"{sys.argv[2]}-{n}")
    print(registry.save_port(db, User("p", Role.ADMINISTRATOR), entry, n))
"""


def url(db: Database) -> str:
    return db.engine.url.render_as_string(hide_password=False)


class Watcher(Thread):
    """Reads the outbox while others write; remembers ids that appeared below one seen before."""

    def __init__(self, db: Database) -> None:
        super().__init__()
        self.db, self.ended, self.seen, self.late = db, Event(), set[int](), list[int]()

    def run(self) -> None:
        while not self.ended.is_set():
            with self.db.read() as connection:
                ids = set(connection.execute(select(schema.outbox.c.id)).scalars())
            highest = max(self.seen, default=0)
            self.late += [i for i in ids - self.seen if i < highest]
            self.seen |= ids


def check(db: Database, given: list[int], watcher: Watcher) -> None:
    watcher.ended.set()
    watcher.join()
    assert len(set(given)) == len(given), "an epoch was given out twice"
    assert watcher.late == [], "an epoch was committed after a higher one"
    with db.read() as connection:
        assert sorted(given) == [i for i, _ in outbox.unpublished(connection, 10_000)]
        assert audit.first_broken(connection) is None


def test_threads_never_share_an_epoch(any_db: Database) -> None:
    watcher, given = Watcher(any_db), list[int]()
    watcher.start()

    def write(name: int) -> None:
        for n in range(15):
            epoch = registry.save_port(any_db, ADMIN, PortEntry(code="1069", name=f"{name}-{n}"), n)
            assert epoch is not None
            given.append(epoch)

    threads = [Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 60
    check(any_db, given, watcher)


def test_processes_never_share_an_epoch(any_db: Database) -> None:
    watcher = Watcher(any_db)
    watcher.start()
    children = [Forked(url(any_db), str(n), "40", code=WRITER, stdout=subprocess.PIPE, text=True) for n in range(3)]
    given: list[int] = []
    for child in children:
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0
        given += [int(line) for line in out.split()]
    assert len(given) == 120
    check(any_db, given, watcher)


def test_a_transaction_that_fails_leaves_no_gap_that_hides_anything(any_db: Database) -> None:
    try:
        with any_db.write() as connection:
            outbox.publish_config(connection, 1, [("port", "1069", "{}", None)])
            raise ValueError
    except ValueError:
        pass
    epoch = registry.save_port(any_db, ADMIN, PortEntry(code="1069"), 1)  # raises if a lock was left behind
    with any_db.read() as connection:
        assert [i for i, _ in outbox.unpublished(connection, 10)] == [epoch]


def test_published_rows_are_pruned_and_pending_ones_stay(any_db: Database) -> None:
    first = registry.save_port(any_db, ADMIN, PortEntry(code="1069"), 10)
    second = registry.save_port(any_db, ADMIN, PortEntry(code="10690"), 10)
    assert first is not None
    with any_db.write() as connection:
        outbox.mark_published(connection, [first], 20)
    with any_db.write() as connection:
        assert outbox.prune(connection, 20) == 0
        assert outbox.prune(connection, 21) == 1
        assert [i for i, _ in outbox.unpublished(connection, 10)] == [second]
        assert outbox.pending(connection) == 1
