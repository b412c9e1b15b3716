"""The role `links` is killed with SIGKILL while it has reports leased: each report arrives."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path
from time import time
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from pipeline.actions.status.link_deliveries import LEASE_MS, Report, row_of
from pipeline.protocols.smpp import RECEIPTED_MESSAGE_ID, SMPP, BindReceiver, DeliverSm, DeliverSmResp
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.migrated import migrated_database
from tests.harness.processes.api import PORT, serving
from tests.harness.processes.links import ACCOUNT, SECRET, link_deployment, start_links

REPORTS, KILLS = 3_000, 4
IDS = [f"{n:016x}" for n in range(REPORTS)]


@pytest.mark.slow
def test_each_report_arrives_although_the_role_is_killed_again_and_again(fresh_broker: str, tmp_path: Path) -> None:
    settings = link_deployment(fresh_broker, tmp_path)
    db = migrated_database(settings)
    now = int(time() * 1000)
    reports = [
        Report(id=ident, n=0, sender=PORT, recipient="13800000001", status="DELIVRD", submitted="2611301200", done="")
        for ident in IDS
    ]
    with db.write() as connection:
        rows = [row_of(report, now, account=ACCOUNT, protocol="smpp") for report in reports]
        connection.execute(insert(schema.link_deliveries), rows)
    answered: Counter[str] = Counter()
    leased = []
    with serving(settings, start_links) as running:
        for kill in range(1, KILLS + 1):
            receive(settings, answered, kill * REPORTS // (KILLS + 1), running[0])
            leased.append(ten_minutes_later(db))
            running[0] = start_links(settings)
        receive(settings, answered, REPORTS)
        left(db, 0)
    print(f"answered {answered.total()} times, leased at the kills: {leased}")
    assert all(leased), "the role was killed without a lease"
    assert set(answered) == set(IDS)
    assert answered.total() <= REPORTS + sum(leased)
    db.close()


def receive(settings: Settings, answered: Counter[str], until: int, killed: Any = None) -> None:
    """Answer reports until so many are known; then the role is killed with one report unanswered, if it is given."""
    with socket.create_connection(("127.0.0.1", settings.smpp_port or 0), timeout=60) as connection:
        frames = SMPP.frames()
        connection.sendall(SMPP.encode(BindReceiver(sequence=1, system_id=ACCOUNT, password=SECRET)))
        while len(answered) < until:
            for frame in frames.feed(connection.recv(65536)):
                report = SMPP.decode(frame)
                if not isinstance(report, DeliverSm):
                    continue
                if killed is not None and len(answered) >= until:
                    continue
                ident = next(tlv.value for tlv in report.tlvs if tlv.tag == RECEIPTED_MESSAGE_ID)
                answered[ident.rstrip(b"\0").decode()] += 1
                connection.sendall(SMPP.encode(DeliverSmResp(sequence=report.sequence)))
        if killed is not None:
            killed.kill()


def ten_minutes_later(db: Database) -> int:
    """How many reports the killed role had leased; their leases run out."""
    table = schema.link_deliveries
    with db.write() as connection:
        held = connection.scalar(select(func.count()).where(table.c.lease.is_not(None))) or 0
        connection.execute(update(table).values(lease_until=table.c.lease_until - LEASE_MS))
    return int(held)


def left(db: Database, expected: int) -> None:
    """Wait until so many reports are left in the database."""
    deadline = time() + 30
    while True:
        with db.read() as connection:
            found = connection.scalar(select(func.count()).select_from(schema.link_deliveries))
        if found == expected:
            return
        assert time() < deadline, f"{found} left"
