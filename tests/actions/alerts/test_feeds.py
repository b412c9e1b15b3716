"""The feeds: each change is told once and in order, signed, few posts at a time, and nothing in a silence."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline.actions.alerts.feeds import BATCH, LEASE_MS, configured, feed_step
from pipeline.actions.alerts.inbox import close, note
from pipeline.actions.alerts.news import end, hear
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.actions.alerts.role import Alerting
from pipeline.actions.alerts.silences import Silence, add_silence, list_silences, remove_silence
from pipeline.actions.status.role import signature
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.errors import AntispamError, UnavailableError
from pipeline.events import AlertAbout, AlertLevel
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.small_disk import small_disk

NOW = 1_790_000_000_000
OPERATOR = User("ops", Role.OPERATOR)
SECRET = "a secret of the webhook"
Told = list[Mapping[str, Any]]


def raised(db: Database, subject: str = "10690001", at: int = NOW, about: AlertAbout = AlertAbout.PORT) -> str:
    told = recurring_alert(AlertLevel.SEVERE, "port-volume", subject, "m", {}, at, about)
    with db.write() as connection:
        hear(connection, told, at)
    return told.id


def left(db: Database, feed: str = "file") -> int:
    with db.read() as connection:
        posts = schema.alert_posts
        return connection.scalar(select(func.count()).where(posts.c.feed == feed)) or 0


def told(db: Database, now: int, answer: str = "delivered") -> Told:
    found: Told = []

    def feed(changes: Sequence[Mapping[str, Any]], _: int) -> str:
        found.extend(changes)
        return answer

    feed_step(db, "file", feed, "https://console.example/", "Asia/Shanghai", now)
    return found


def test_each_change_is_told_once_with_what_since_when_and_where(any_db: Database) -> None:
    ident = raised(any_db)
    note(any_db, OPERATOR, ident, "13800138000 called", NOW)
    close(any_db, OPERATOR, [ident], "13800138000", NOW)
    first, second = told(any_db, NOW)
    assert (first["change"], first["level"], first["since"], first["subject"]) == ("raised", "severe", NOW, "10690001")
    assert first["page"] == "https://console.example/ports?search=10690001&port=10690001"
    assert (second["change"], second["by"], second["state"]) == ("closed", "ops", "closed")
    assert "13800138000" not in json.dumps([first, second])  # what people write stays in the console
    assert (told(any_db, NOW + DAY_MS), left(any_db)) == ([], 0)


def test_a_sender_is_no_hash_to_look_up_but_a_page_of_its_records(any_db: Database) -> None:
    raised(any_db, "0a1b2c3d4e5f60718293", about=AlertAbout.SENDER)
    [change] = told(any_db, NOW)
    assert change["page"].startswith(
        "https://console.example/search?kind=records&port=0a1b2c3d4e5f60718293&since=2026-"
    )


def test_a_storm_is_few_posts(any_db: Database) -> None:
    for n in range(BATCH + 5):
        raised(any_db, f"1069{n:04d}")
    assert [len(told(any_db, NOW)), len(told(any_db, NOW)), len(told(any_db, NOW))] == [BATCH, 5, 0]


def test_what_was_not_taken_is_told_again_and_given_up_in_the_end(any_db: Database) -> None:
    raised(any_db)
    assert len(told(any_db, NOW, "refused")) == 1
    assert told(any_db, NOW + 9_999) == []
    now, tries = NOW + 10_000, 1
    while left(any_db):
        assert len(told(any_db, now, "timed_out")) == 1
        now, tries = now + HOUR_MS, tries + 1
    assert tries == 28


def test_a_process_killed_in_a_post_posts_again(any_db: Database) -> None:
    raised(any_db)

    def killed(changes: Sequence[Mapping[str, Any]], _: int) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        feed_step(any_db, "file", killed, "", "UTC", NOW)
    assert told(any_db, NOW + LEASE_MS - 1) == []  # it may still be under way
    assert len(told(any_db, NOW + LEASE_MS)) == 1


def test_a_silence_is_kept_and_what_is_still_wrong_is_told_after_it(any_db: Database) -> None:
    add_silence(any_db, OPERATOR, Silence("", "", NOW, NOW + HOUR_MS, False, "new release"), NOW)
    gone, stays = raised(any_db, "10690001"), raised(any_db, "10690002")
    assert told(any_db, NOW) == []
    with any_db.write() as connection:
        assert end(connection, "port-volume/10690001", NOW + MINUTE_MS)
    assert told(any_db, NOW + 2 * MINUTE_MS) == []
    assert [change["alert"] for change in told(any_db, NOW + HOUR_MS + MINUTE_MS)] == [stays]
    assert (left(any_db), gone != stays) == (0, True)


def test_a_silence_is_of_some_alerts_and_some_hours() -> None:
    night = Silence("r", "p", NOW, NOW + 2 * HOUR_MS, True, "x")
    assert [night.covers("r", "p", NOW + h * HOUR_MS) for h in (-1, 0, 1, 2, 23, 24, 25, 26)] == [
        False, True, True, False, False, True, True, False,
    ]  # fmt: skip
    assert not night.covers("other", "p", NOW)
    assert not night.covers("r", "other", NOW)


def test_a_silence_needs_a_reason_and_an_end(any_db: Database) -> None:
    for wrong in (
        Silence("", "", NOW, NOW, False, "x"),
        Silence("", "", NOW, NOW + 31 * DAY_MS, False, "x"),
        Silence("", "", NOW, NOW + DAY_MS + 1, True, "x"),
        Silence("", "", NOW - 2, NOW - 1, False, "x"),
        Silence("", "", NOW, NOW + 1, False, " "),
    ):
        with pytest.raises(AntispamError):
            add_silence(any_db, OPERATOR, wrong, NOW)
    ident = add_silence(any_db, OPERATOR, Silence("", "", NOW, NOW + 5, False, "x"), NOW)
    assert [each.id for each in list_silences(any_db, OPERATOR, NOW)] == [ident]
    assert list_silences(any_db, OPERATOR, NOW + 5) == []
    remove_silence(any_db, OPERATOR, ident, NOW)
    with pytest.raises(AntispamError):
        remove_silence(any_db, OPERATOR, ident, NOW)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    got: list[tuple[dict[str, str], bytes]] = []  # noqa: RUF012 - one test at a time

    def do_POST(self) -> None:
        """Answer 204."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    Receiver.got.clear()
    yield f"http://127.0.0.1:{server.server_port}/alerts"
    server.shutdown()
    thread.join()
    server.server_close()


def test_file_and_webhook_get_the_same_and_the_post_is_signed(
    operational_db: Database, tmp_path: Path, receiver: str
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        alert_file=tmp_path / "alerts.jsonl",
        alert_webhook=receiver,
        alert_webhook_secret=SECRET,
        callback_networks=("127.0.0.0/8",),
        _env_file=None,
    )
    raised(operational_db)
    work = Alerting(operational_db, settings, configured(settings))
    work.step(NOW)
    work.step(NOW + 20_000)
    [line] = (tmp_path / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert stat.S_IMODE((tmp_path / "alerts.jsonl").stat().st_mode) == 0o600
    [(headers, body)] = Receiver.got
    assert json.loads(body) == {"event": "alerts", "changes": [json.loads(line)]}
    at = int(headers["Antispam-Signature"].split(",")[0].removeprefix("t="))
    assert headers["Antispam-Signature"] == f"t={at},v1={signature(api_keys.hashed(SECRET), at, body)}"
    assert headers["Antispam-Event"] == str(json.loads(line)["id"])


@pytest.mark.long
def test_a_file_that_cannot_be_written_is_an_outage(operational_db: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, alert_file=tmp_path, _env_file=None)
    raised(operational_db)
    with pytest.raises(UnavailableError, match="ANTISPAM_ALERT_FILE"):
        Alerting(operational_db, settings, configured(settings)).step(NOW)
    assert left(operational_db) == 1


def test_without_feeds_nothing_waits(any_db: Database, tmp_path: Path) -> None:
    raised(any_db)
    Alerting(any_db, Settings(data_dir=tmp_path, _env_file=None), {}).step(NOW)
    assert (left(any_db), left(any_db, "webhook")) == (0, 0)


def test_a_webhook_needs_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ANTISPAM_ALERT_WEBHOOK_SECRET"):
        Settings(data_dir=tmp_path, alert_webhook="https://x.example/", _env_file=None)


@pytest.mark.slow
def test_a_full_disk_loses_no_change_and_delays_no_other_feed(operational_db: Database, tmp_path: Path) -> None:
    posted: list[int] = []

    def webhook(changes: Sequence[Mapping[str, Any]], _: int) -> str:
        posted.extend(change["id"] for change in changes)
        return "delivered"

    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "alerts.jsonl"
        own = Settings(data_dir=tmp_path, alert_file=path, _env_file=None)
        alerting = Alerting(operational_db, own, {**configured(own), "webhook": webhook})
        for n in range(30):
            raised(operational_db, f"1069{n:04d}")
        disk.fill(left=4096)
        now = NOW
        for hour in range(40):  # longer than a feed is tried that answers
            now += HOUR_MS
            with pytest.raises(UnavailableError, match=f"{path}: No space left on device"):
                alerting.step(now)
            assert left(operational_db, "webhook") == 0
            raised(operational_db, f"1068{hour:04d}", now)
        assert not path.read_bytes().endswith(b"\n"), "a half of a line"
        disk.free()
        while left(operational_db):
            alerting.step(now := now + HOUR_MS)
        lines = path.read_text(encoding="utf-8").splitlines()
    whole = [json.loads(line)["id"] for line in lines if line.endswith("}")]
    assert len(lines) - len(whole) == 1
    assert set(whole) == set(posted)
