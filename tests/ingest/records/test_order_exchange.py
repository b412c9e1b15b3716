"""The exchange with BOSS, HLR and another network through the role `files`: with folders, FTP, posts, and kills."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any, ClassVar

import pytest
from sqlalchemy import func, select

from pipeline.actions.conduct.notices import project_list_actions
from pipeline.actions.orders import desk
from pipeline.actions.orders.parties import load_parties
from pipeline.errors import AntispamError
from pipeline.events import ListAction, encode
from pipeline.ingest.records.folder import FolderError
from pipeline.ingest.records.order_exchange import Exchange
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.case_events import rows
from tests.harness.far_boss import BOSS_WORDS, HLR_WORDS, NETWORK_WORDS, FarParty
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import Forked
from tests.harness.servers.far_servers import PASSWORD, FarFtp

NOW = 1_764_041_400_000
OPERATOR = User("olga", Role.OPERATOR)
ALERTED = "13000130000"  # China Unicom


def until(condition: Callable[[], bool], what: str, deadline: float = 120) -> None:
    end = monotonic() + deadline
    while not condition():
        assert monotonic() < end, f"not in time: {what}"
        sleep(0.02)


def numbers(count: int) -> list[str]:
    return [f"138{n:08d}" for n in range(count)]


def listed(db: Database, settings: Settings, given: list[str], now: int = NOW) -> None:
    """Decisions that list these numbers."""
    actions = [
        ListAction(list="black", entity="sender", value=n, rule="sender-volume", evidence=n, at=now, reason="群发")
        for n in given
    ]
    with db.write() as connection:
        project_list_actions(connection, now, list(map(encode, actions)), load_parties(settings))


def _always(word: str, order: dict[str, str]) -> str:
    return word


def states(db: Database) -> dict[tuple[str, str], int]:
    t = schema.number_orders
    with db.read() as connection:
        found = connection.execute(select(t.c.kind, t.c.state, func.count()).group_by(t.c.kind, t.c.state))
        return {(row[0], row[1]): row[2] for row in found}


def test_a_day_with_boss_hlr_and_another_network_in_their_own_layouts(tmp_path: Path) -> None:
    boss = FarParty(tmp_path, "boss", BOSS_WORDS)
    hlr = FarParty(tmp_path, "hlr", HLR_WORDS)
    unicom = FarParty(tmp_path, "China Unicom", NETWORK_WORDS)
    given = [boss.settings(), hlr.settings(wait=10.0), unicom.settings(samples=True)]
    settings = Settings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "order_exchanges": given,
            "own_carriers": ["China Mobile"],
            "stop_notice_port": "10086",
        }
    )
    db = migrated_database(settings)
    clock = [NOW / 1000]
    stop = threading.Event()
    parties = load_parties(settings)
    all_of_them = [Exchange(each, parties, settings, db, stop, lambda: clock[0]) for each in settings.order_exchanges]

    def visit() -> None:
        clock[0] += 1
        for exchange in all_of_them:
            while exchange.visit():
                continue

    listed(db, settings, [*numbers(10), ALERTED])
    visit()
    suspects = boss.take()
    assert [order["动作"] for order in suspects] == ["suspect"] * 10
    assert {order["原因"] for order in suspects} == {"群发"}
    boss.answer(suspects, lambda order: "删除" if order["号码"].endswith("9") else "增加", "客服核实")
    unicom.answer(unicom.take(), lambda _: "已收到")
    visit()
    visit()
    offs = hlr.take()
    assert [order["动作"] for order in offs] == ["off"] * 9
    hlr.answer(offs, lambda order: "失败" if order["号码"].endswith("8") else "成功")
    visit()
    clock[0] += 10
    visit()
    [again] = hlr.take()
    assert (again["号码"][-1], again["次数"]) == ("8", "2")
    copy = hlr.answer([again], lambda _: "成功")
    visit()
    hlr.write(copy.read_bytes().decode("gbk"))  # the same bytes under another name
    visit()
    assert states(db) == {
        ("suspect", "confirmed"): 9,
        ("suspect", "refused"): 1,
        ("off", "confirmed"): 9,
        ("alert", "confirmed"): 1,
    }
    assert len(rows(db, schema.holds)) == 9  # an SMS for each stopped number
    desk.restore_number(db, OPERATOR, parties, numbers(1)[0], "承诺书", 30, int(clock[0] * 1000))
    visit()
    boss.answer(boss.take(), lambda _: "删除")
    visit()
    visit()
    hlr.answer(hlr.take(), lambda _: "成功")
    visit()
    assert states(db)[("on", "confirmed")] == 1
    assert len(rows(db, schema.holds)) == 10
    db.close()


def test_a_far_side_that_is_away_gets_its_file_later_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_SOURCE_BOSS_IN_SECRET", PASSWORD)
    (tmp_path / "far" / "out").mkdir(parents=True)
    ftp = FarFtp(tmp_path / "far")
    entry = {"party": "boss", "orders": {"name": "boss-in", "url": ftp.url("suspect-*.csv")}}
    settings = Settings.model_validate({"data_dir": tmp_path / "data", "order_exchanges": [entry]})
    db = migrated_database(settings)
    parties = load_parties(settings)
    exchange = Exchange(settings.order_exchanges[0], parties, settings, db, threading.Event(), lambda: NOW / 1000)
    listed(db, settings, numbers(3))
    with pytest.raises(FolderError):
        exchange.visit()
    ftp.up()
    try:
        exchange.visit()
        exchange.visit()
    finally:
        ftp.close()
    [path] = (tmp_path / "far" / "out").iterdir()
    assert path.name == "suspect-20251125113000-000001.csv"
    assert len(path.read_text().splitlines()) == 4
    assert [file.state for file in rows(db, schema.order_files)] == ["put"]
    db.close()


class _Network(BaseHTTPRequestHandler):
    posts: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        """Keep the post, answer the next code."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.append((dict(self.headers), body))
        self.send_response(self.answers.pop(0))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.mark.long
def test_a_post_is_signed_repeated_until_it_is_taken_and_then_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Network.posts, _Network.answers = [], [503, 302, 204]
    server = HTTPServer(("127.0.0.1", 0), _Network)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    entry = {"party": "China Unicom", "webhook": f"http://127.0.0.1:{server.server_port}/alerts"}
    settings = Settings.model_validate(
        {"data_dir": tmp_path / "data", "order_exchanges": [entry], "own_carriers": ["China Mobile"]}
    )
    db = migrated_database(settings)
    exchange = Exchange(
        settings.order_exchanges[0], load_parties(settings), settings, db, threading.Event(), lambda: NOW / 1000
    )
    listed(db, settings, [ALERTED])
    try:
        with pytest.raises(AntispamError, match="no key"):
            exchange.visit()
        monkeypatch.setenv("ANTISPAM_EXCHANGE_CHINA_UNICOM_SECRET", "agreed")
        for _ in range(2):
            with pytest.raises(FolderError):
                exchange.visit()
        exchange.visit()
        exchange.visit()
    finally:
        server.shutdown()
        server.server_close()
    assert len({body for _, body in _Network.posts}) == 1
    assert len(_Network.posts) == 3
    headers, body = _Network.posts[-1]
    at, _, mac = headers["Antispam-Signature"].partition(",v1=")
    expected = hmac.new(b"agreed", b"%s.%s" % (at[2:].encode(), body), hashlib.sha256).hexdigest()
    assert mac == expected
    assert headers["Antispam-Event"] == json.loads(body)["id"]
    assert states(db) == {("alert", "confirmed"): 1}
    db.close()


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_again_and_again_no_order_is_lost_or_twice(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """The role `files` is killed (kill -9) at random moments while it exchanges 2,000 orders and their answers."""
    random, count, kills = Random(7), 1000, 0
    boss, hlr = FarParty(tmp_path, "boss", BOSS_WORDS), FarParty(tmp_path, "hlr", HLR_WORDS)
    exchanges = [boss.settings(), hlr.settings()]
    environment = {
        **os.environ,
        "ANTISPAM_DATA_DIR": str(tmp_path / "data"),
        "ANTISPAM_ORDER_EXCHANGES": json.dumps(exchanges),
        "ANTISPAM_STOP_NOTICE_PORT": "10086",
        "ANTISPAM_SERVE_PORT": "0",
    }
    given_settings: dict[str, Any] = {"data_dir": tmp_path / "data", "order_exchanges": exchanges}
    if database == "postgresql":
        prepared: Database = request.getfixturevalue("postgres_db")
        given_settings["database_url"] = prepared.engine.url.render_as_string(hide_password=False)
        environment["ANTISPAM_DATABASE_URL"] = given_settings["database_url"]
    settings = Settings.model_validate(given_settings)
    db = migrated_database(settings)
    stop = threading.Event()

    def far_sides() -> None:
        while not stop.is_set():
            for party, word in ((boss, "增加"), (hlr, "成功")):
                fresh = party.take()
                for start in range(0, len(fresh), 100):
                    party.answer(fresh[start : start + 100], partial(_always, word))
            sleep(0.05)

    far = threading.Thread(target=far_sides)
    far.start()
    given = numbers(count)
    try:
        left = list(given)
        while True:
            with Forked("serve", "files", env=environment) as process:
                # Longer each time: on a busy machine, the first processes are killed while they start.
                end = monotonic() + random.uniform(0.3, 1.5 + kills / 10)
                while monotonic() < end and process.poll() is None:
                    if left:
                        listed(db, settings, left[:50])
                        del left[:50]
                    sleep(0.02)
                assert process.poll() is None
                process.send_signal(signal.SIGKILL)
                process.wait()
            kills += 1
            done = states(db)
            if not left and done.get(("off", "confirmed"), 0) == count and kills >= 10:
                break
            assert kills < 200, done
    finally:
        stop.set()
        far.join()
    assert states(db) == {("suspect", "confirmed"): count, ("off", "confirmed"): count}
    for party in (boss, hlr):
        assert len(party.sent) == count
        assert set(party.sent.values()) == {1}
        assert sorted(order["号码"] for order in party.orders) == given
    notices = rows(db, schema.holds)
    assert len(notices) == count
    assert {file.state for file in rows(db, schema.order_files)} == {"put"}
    db.close()
    print(f"{database}: {kills} kills, {len(boss.files) + len(hlr.files)} files, {2 * count} orders")
