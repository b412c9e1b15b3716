"""The console with a screen reader, a keyboard or a narrow window: rules of axe, names, focus, live text."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.store.accounts.roles import Role
from tests.dashboards.test_console_browser import CHROMIUM, Console, Open, browser, leave, open_page, shown_case, wait
from tests.harness.console_data import sign_up

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "open_page"]
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

PAGES = (
    "",
    "review",
    "review?view=queues",
    "review?view=cases&open=case-001",
    "review?view=mine",
    "review?view=reviewers",
    "search",
    "explore",
    "backtest",
    "lists",
    "complaints",
    "complaints?section=rates",
    "complaints?section=file",
    "complaints?section=answers",
    "numbers",
    "numbers?section=compared",
    "consents",
    "rules",
    "rules?section=snoozes",
    "ports",
    "ports?section=tiers",
    "ports?section=appeals",
    "channels",
    "policy",
    "alerts",
    "alerts?section=rules",
    "alerts?section=silences",
)
OFFICE = ("users", "audit")  # of an administrator
# the place of the focus, also in the deck
ACTIVE = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at?.dataset.focus ?? at?.tagName;
}"""
AXE = Path(os.environ.get("ANTISPAM_TEST_AXE", "node_modules/axe-core")) / "axe.min.js"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"))
    yield console
    console.close()


def faults(page: Page) -> list[str]:
    """What axe finds serious or critical on the page, with the element."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    found: Any = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']} {node['target']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core: npm pack axe-core, then ANTISPAM_TEST_AXE=its folder")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(console: Console, open_page: Open, scheme: Any) -> None:
    page = open_page()
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button").wait_for()
    assert faults(page) == []
    sign_up(console.db, f"eva-{scheme}", Role.ADMINISTRATOR, int(time.time() * 1000))
    for name, paths in (("anna", PAGES), (f"eva-{scheme}", OFFICE)):
        page = open_page(name)
        page.emulate_media(color_scheme=scheme)
        for path in paths:
            page.goto(f"{console.address}/{path}")
            page.locator("[data-testid=stMain] h1, .deck h1").first.wait_for()
            page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
            assert faults(page) == [], path


@pytest.mark.parametrize(
    ("locale", "lang", "title"), [("zh-CN", "zh", "审核 · antispam"), ("en-GB", "en", "Review · antispam")]
)
@pytest.mark.slow
def test_a_page_tells_its_language_and_its_name(open_page: Open, locale: str, lang: str, title: str) -> None:
    page = open_page("anna", locale=locale, path="/review")
    page.locator(".deck .body").wait_for()
    wait(lambda: page.title() == title, f"the title {title}")
    assert page.locator("html").get_attribute("lang") == lang
    assert page.locator("h1").inner_text() == title.split(" · ")[0]
    names = page.get_by_role("link", name=title.split(" · ")[0], exact=True)
    assert names.count() == 1, "the icon is no part of the link's name"


def test_a_key_is_told_aloud_and_the_tab_key_stays_at_the_case(open_page: Open) -> None:
    page = open_page("anna", path="/review")
    page.locator(".deck .body").wait_for()
    case = shown_case(page)
    page.keyboard.press("s")
    leave(page, case)
    text = page.locator(".deck .message").inner_text()
    aloud = page.get_by_role("status").filter(has_text="Skip · ").inner_text()
    assert text[:8] in aloud
    page.keyboard.press("Tab")
    assert page.evaluate(ACTIVE) == "release"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate(ACTIVE) == "skip"
    case = shown_case(page)
    page.keyboard.press("Enter")
    leave(page, case)
    assert page.evaluate(ACTIVE) == "skip", "the same button has the focus for the next case"


@pytest.mark.parametrize("locale", ["zh-CN", pytest.param("en-GB", marks=pytest.mark.slow)])
def test_the_verdicts_are_in_a_narrow_window_at_once(open_page: Open, locale: str) -> None:
    page = open_page("anna", locale=locale, path="/review")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".deck .body").wait_for()
    for action in ("release", "reject", "blacklist"):
        box = page.locator(f".deck .keys .{action}").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844
        assert box["x"] + box["width"] <= 390


def test_the_menu_of_a_narrow_window_is_whole_and_out_of_the_way_until_it_is_opened(open_page: Open) -> None:
    page = open_page("anna", locale="zh-CN", path="/alerts")
    page.set_viewport_size({"width": 390, "height": 844})
    menu, account = page.get_by_test_id("stSidebar"), page.get_by_role("navigation", name="账号")
    page.get_by_test_id("stExpandSidebarButton").wait_for()
    wait(lambda: menu.get_by_role("link").count() == 0, "a menu whose links the Tab key does not go through")
    assert account.is_visible()
    page.get_by_test_id("stExpandSidebarButton").click()
    menu.get_by_role("link", name="审核").wait_for()
    assert menu.get_by_role("list").count() == 0, "boxes between the items of a list are none for a screen reader"
    assert not account.is_visible(), "it would lie over the menu"
    if AXE.exists():
        assert faults(page) == []


def test_counts_move_with_the_key_and_an_empty_hand_is_no_empty_queue(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/review")
    page.locator(".deck .body").wait_for()

    def figures() -> list[int]:
        return [int(text.replace(",", "")) for text in page.locator(".deck .figure b").all_inner_texts()]

    hand, waiting, decided = figures()
    console.process.send_signal(signal.SIGSTOP)
    try:
        for n in range(1, hand + 1):
            page.keyboard.press("x")
            assert figures() == [hand - n, waiting - n, decided + n]
        assert page.locator(".deck .empty .large").inner_text() == "Fetching the next cases…"
        page.keyboard.press("u")
        assert figures() == [1, waiting - hand + 1, decided + hand - 1]
    finally:
        console.process.send_signal(signal.SIGCONT)


def test_the_table_of_a_search_fits_the_window(open_page: Open) -> None:
    page = open_page("anna", path="/search")
    grid = page.locator("[data-testid=stDataFrame]").first
    grid.wait_for()
    for height in (1200, 800):
        page.set_viewport_size({"width": 1440, "height": height})
        fits = height - 420
        wait(lambda: grid.evaluate("grid => grid.clientHeight") == fits, f"a table for {height} px")  # noqa: B023
    assert page.locator(".st-key-window").evaluate("box => { box.scrollLeft = 99; return box.scrollLeft; }") == 0
