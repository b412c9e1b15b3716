"""The whole journey as its first user walks it: `antispam up --demo`, a browser, a message released by hand.

Screenshots of every page stay in the test's folder: what they look like is for a person to judge.
"""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.processes.up import Up

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
OWN_PASSWORD = "correct horse 9 battery"
DEADLINE = 60.0  # seconds for a case to come, or a delivery report behind its release
WORDS = {
    "en-GB": ("Port or sender begins with", "Number", "delivered", "by admin at"),
    "zh-CN": ("端口或发送方开头", "号码", "已送达", "人工审核"),
}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path, "--demo")
    up.until("one-time password")
    yield up
    up.process.send_signal(signal.SIGINT)
    code, output = up.ended()
    assert code == 0, output


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def page_of(browser: Browser, locale: str) -> Page:
    page = browser.new_context(locale=locale, viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(DEADLINE * 1000)
    return page


def sign_in(page: Page, address: str, password: str) -> None:
    page.goto(address)
    page.fill("input[name=name]", "admin")
    page.fill("input[name=password]", password)
    page.click("button")


def ask(up: Up, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(up.data / "operational.db", timeout=30) as database:
        return database.execute(sql, values).fetchall()


def test_a_held_message_is_released_by_hand_and_seen_delivered(tmp_path: Path, up: Up, browser: Browser) -> None:
    told = re.search(r"console \S+ +(http://\S+)\s+sign in as admin, one-time password (\S+)", up.look())
    assert told
    address, password = told.groups()
    for locale in ("en-GB", "zh-CN"):
        page = page_of(browser, locale)
        if locale == "en-GB":
            sign_in(page, address, password)
            page.wait_for_url("**/password")
            page.fill("input[name=new]", OWN_PASSWORD)
            page.fill("input[name=again]", OWN_PASSWORD)
            page.click("button")
        else:
            sign_in(page, address, OWN_PASSWORD)
        page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
        page.screenshot(path=tmp_path / f"overview-{locale}.png")

        page.goto(f"{address}/review")
        body = page.locator(".deck .body")
        body.wait_for()
        page.wait_for_timeout(6000)  # its reasons come with the lake's next flush
        page.screenshot(path=tmp_path / f"review-{locale}.png")
        case = _of_an_open_port(up, page)
        page.keyboard.press("a")
        port, recipient = _delivered(up, case)

        port_label, number_label, word, by = WORDS[locale]
        page.goto(f"{address}/search")
        page.get_by_label(port_label).fill(port)
        page.get_by_label(number_label, exact=True).fill(recipient)
        page.get_by_test_id("stBaseButton-primaryFormSubmit").click()
        page.wait_for_timeout(2000)
        page.screenshot(path=tmp_path / f"search-{locale}.png")
        grid = page.locator("[data-testid=stDataFrame]").first
        box = grid.bounding_box()
        assert box
        page.mouse.click(box["x"] + 18, box["y"] + 50)
        deliveries = page.locator("[data-testid=stDataFrame]").nth(1)
        deliveries.get_by_text(word).first.wait_for(state="attached")
        page.get_by_text(by).wait_for()
        page.screenshot(path=tmp_path / f"detail-{locale}.png")


def _of_an_open_port(up: Up, page: Page) -> str:
    """The case on screen, once those of suspended ports are skipped: nothing of them is sent."""
    for _ in range(20):
        case = str(page.locator(".deck .body").get_attribute("data-case"))
        if ask(up, "SELECT 1 FROM cases c JOIN ports p ON p.code = c.port WHERE c.id = ? AND p.state = 'open'", case):
            return case
        page.keyboard.press("s")
        page.locator(f".deck .body:not([data-case='{case}'])").wait_for()
    raise AssertionError("twenty cases, none of an open port")


def _delivered(up: Up, case: str) -> tuple[str, str]:
    """Sender and first recipient of the case's first submission, once the carrier reports all of it delivered."""
    until = monotonic() + DEADLINE
    while monotonic() < until:
        states = ask(
            up,
            """SELECT m.port, d.recipient, d.state, d.carrier_id FROM case_members m
            JOIN deliveries d ON d.port = m.port AND d.submission = m.submission
            WHERE m."case" = ? AND m.number = (SELECT min(number) FROM case_members WHERE "case" = ?)""",
            case,
            case,
        )
        if states and all(state == "delivered" for _, _, state, _ in states):
            assert all(carrier_id for *_, carrier_id in states)
            return str(states[0][0]), str(states[0][1])
        sleep(0.1)
    raise AssertionError(
        f"case {case} was not delivered; {ask(up, 'SELECT state, verdict FROM cases WHERE id=?', case)}"
    )
