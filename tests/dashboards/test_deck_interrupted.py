"""The deck when something breaks off in the middle: no verdict is lost, none counts twice, none meets another case."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, func, select

from pipeline.store import schema
from tests.dashboards.test_console_browser import CHROMIUM, Console, Open, browser, open_page, wait
from tests.dashboards.test_deck_browser import asked, decided, press, watched
from tests.harness.console_data import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

__all__ = ["browser", "open_page"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

CASES = 60


@pytest.fixture
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"), CASES)
    yield console
    console.close()


def verdicts_given(console: Console) -> int:
    """The verdicts in the audit trail: each is one row, so a second one of a case would be seen."""
    t = schema.audit
    with console.db.read() as connection:
        return connection.scalar(select(func.count()).where(t.c.action == "case.decide")) or 0


def settled(console: Console, pressed: dict[str, tuple[str, str]]) -> None:
    """Wait for these verdicts; they are all there are, each once."""
    wait(lambda: len(decided(console)) >= len(pressed), f"{len(pressed)} verdicts in the database")
    assert decided(console) == pressed
    assert verdicts_given(console) == len(pressed)


def at_work(open_page: Open) -> Page:
    page = open_page("anna", path="/review")
    watched(page, CASES)
    return page


def again(page: Page) -> None:
    """Watch the deck of a page that has loaded again."""
    page.locator(".deck .body").wait_for()
    watched(page, int(page.locator(".deck .figure b").first.inner_text()))


def test_a_server_that_stands_still_for_ten_seconds_and_a_full_storage(console: Console, open_page: Open) -> None:
    page = at_work(open_page)
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }; }")
    press([page], 10)
    console.process.send_signal(signal.SIGSTOP)
    try:
        press([page], 30)
        page.wait_for_timeout(10_000)
        page.locator(".deck .told", has_text="not sent yet").wait_for()
    finally:
        console.process.send_signal(signal.SIGCONT)
    press([page], 10)
    settled(console, asked(page, "anna"))
    assert page.evaluate("empty") == []


@pytest.mark.parametrize("frozen", [False, True])
def test_a_page_that_is_loaded_again(console: Console, open_page: Open, frozen: bool) -> None:
    page = at_work(open_page)
    if frozen:
        console.process.send_signal(signal.SIGSTOP)
    try:
        press([page], 20)
        before = asked(page, "anna")
        page.evaluate("setTimeout(() => location.reload())")
    finally:
        console.process.send_signal(signal.SIGCONT)
    page.wait_for_function("window.seen === undefined")
    again(page)
    press([page], 20)
    after = asked(page, "anna")
    assert not before.keys() & after.keys(), "no case is shown again"
    settled(console, before | after)


def test_a_tab_that_is_closed(console: Console, open_page: Open) -> None:
    page = at_work(open_page)
    press([page], 20)
    before = asked(page, "anna")
    page.close()
    assert decided(console).items() <= before.items()
    page = open_page("anna", path="/review")
    again(page)
    left = CASES - len(decided(console))
    press([page], left)
    settled(console, before | asked(page, "anna"))


def test_a_tab_with_verdicts_that_wait_asks_before_it_is_closed(console: Console, open_page: Open) -> None:
    page = at_work(open_page)
    asking: list[str] = []

    def stay(dialog: Dialog) -> None:
        asking.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    console.process.send_signal(signal.SIGSTOP)
    try:
        press([page], 10)
        page.locator(".deck .told", has_text="not sent yet").wait_for()
        with page.expect_event("dialog"):
            page.close(run_before_unload=True)
    finally:
        console.process.send_signal(signal.SIGCONT)
    assert asking == ["beforeunload"]
    settled(console, asked(page, "anna"))


def test_a_session_that_ends(console: Console, open_page: Open) -> None:
    page = at_work(open_page)
    press([page], 10)
    wait(lambda: len(decided(console)) == 10, "the first verdicts")
    with console.db.write() as connection:
        connection.execute(delete(schema.sessions))
    press([page], 10)
    before = asked(page, "anna")
    page.wait_for_timeout(2000)
    page.goto(f"{console.address}/review")
    page.wait_for_url("**/login*")
    assert len(decided(console)) == 10, "nobody is signed in"
    page.fill("input[name=name]", "anna")
    page.fill("input[name=password]", PASSWORD)
    page.click("button")
    again(page)
    press([page], 10)
    settled(console, before | asked(page, "anna"))
