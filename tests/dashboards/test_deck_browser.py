"""The deck under fast keys in Chromium: each press decides the case that was on screen, and no state lies between."""

from __future__ import annotations

import signal
import statistics
from collections.abc import Iterator
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from pipeline.store import schema
from tests.dashboards.test_console_browser import CHROMIUM, Console, Open, browser, open_page, wait

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "open_page"]
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

BETWEEN = 30  # ms between two presses
VERDICTS = {"a": "release", "x": "reject"}
# Notes, before the deck answers a key, which case is on screen; and each time that no case is.
WATCH = """deck => {
  window.seen = [], window.empty = [];
  const shown = () => deck.querySelector(".body")?.dataset.case ?? "";
  document.addEventListener("keydown", (event) => { // a page that tells that the session is over has no deck
    if (deck.isConnected) seen.push([event.key, shown(), performance.now()]);
  }, true);
  new MutationObserver(() => {
    const text = deck.querySelector(".empty .large");
    if (text) empty.push(text.textContent);
  }).observe(deck, { childList: true, subtree: true });
}"""
# Presses keys by itself, so that two pages can be at it at once.
TYPE = """([keys, between]) => {
  const press = (n) => {
    if (n >= keys.length) return;
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: keys[n], bubbles: true, composed: true }));
    setTimeout(press, between, n + 1);
  };
  press(0);
}"""
OPACITY = """deck => {
  let least = 1;
  for (let at = deck; at; at = at.parentElement ?? at.getRootNode().host) {
    least = Math.min(least, Number(getComputedStyle(at).opacity));
  }
  return least;
}"""


@pytest.fixture
def console(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"), request.param)
    yield console
    console.close()


def watched(page: Page, in_hand: int) -> None:
    """Wait until the hand is full, and watch the keys from now on."""
    page.locator(".deck .figure", has_text=f"{in_hand} in hand").wait_for()
    page.locator(".deck").evaluate(WATCH)


def press(pages: list[Page], presses: int) -> None:
    """Press the keys in all pages at the same time."""
    keys = "".join(islice(cycle(VERDICTS), presses))
    if len(pages) == 1:
        pages[0].keyboard.type(keys, delay=BETWEEN)
        return
    for page in pages:
        page.evaluate(TYPE, [keys, BETWEEN])
    for page in pages:
        page.wait_for_function("keys => seen.length === keys", arg=presses)


def decided(console: Console) -> dict[str, tuple[str, str]]:
    t = schema.cases
    with console.db.read() as connection:
        rows = connection.execute(select(t.c.id, t.c.verdict, t.c.decided_by).where(t.c.verdict.is_not(None))).all()
    return {row.id: (row.verdict, row.decided_by) for row in rows}


def asked(page: Page, name: str) -> dict[str, tuple[str, str]]:
    """What the reviewer decided, by what was on screen at each press."""
    seen: list[Any] = page.evaluate("seen")
    assert len({case for _, case, _ in seen}) == len(seen), "each press met another case"
    gaps = [later[2] - earlier[2] for earlier, later in pairwise(seen)]
    print(f"{name}: {len(seen)} presses, {statistics.median(gaps):.0f} ms apart")
    return {case: (VERDICTS[key], name) for key, case, _ in seen}


@pytest.mark.parametrize(
    ("console", "presses"),
    [(14, 12), pytest.param(60, 60, marks=pytest.mark.slow)],
    indirect=["console"],
)
def test_each_press_decides_the_case_on_screen_and_no_empty_state_lies_between(
    console: Console, open_page: Open, presses: int
) -> None:
    page = open_page("anna", path="/review")
    watched(page, max(presses, 14))
    press([page], presses)
    wait(lambda: len(decided(console)) >= presses, "the verdicts in the database")
    assert decided(console) == asked(page, "anna")
    told = page.evaluate("empty")
    if presses == 12:
        assert told == [], "two cases are left in hand"
    else:  # after the last one
        page.locator(".deck .empty", has_text="No case waits").wait_for()
        assert set(told) <= {"Fetching the next cases…"}


@pytest.mark.parametrize("console", [14], indirect=True)
@pytest.mark.slow
def test_nothing_fades_and_an_unsent_verdict_is_taken_back_however_late(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/review")
    watched(page, 14)
    first = str(page.locator(".deck .body").get_attribute("data-case"))
    with console.db.write():  # the server works on the verdict for as long as nobody else may write
        page.keyboard.press("x")
        page.locator("[data-stale=true]").first.wait_for(state="attached")
        assert page.locator(".deck").evaluate(OPACITY) == 1
    wait(lambda: console.case(first)[:2] == ("decided", "reject"), "the verdict")
    page.locator(".deck .figure", has_text="13 in hand").wait_for()

    second = str(page.locator(".deck .body").get_attribute("data-case"))
    deck = page.locator(".deck").element_handle()
    console.process.send_signal(signal.SIGSTOP)
    try:
        page.keyboard.press("x")
        page.evaluate("() => { const real = Date.now; Date.now = () => real() + 60_000; }")
        page.locator(".told", has_text="not sent yet").wait_for()
        page.keyboard.press("u")
        page.locator(f".deck .body[data-case={second}]").wait_for()
    finally:
        console.process.send_signal(signal.SIGCONT)
    page.wait_for_function("deck => !deck.querySelector('.told').textContent.includes('not sent yet')", arg=deck)
    wait(lambda: console.case(second)[:2] == ("open", None), "the case to be open")
    assert page.evaluate("empty") == []
    assert page.locator(".told.bad").count() == 0


@pytest.mark.parametrize("console", [18], indirect=True)
def test_a_reviewer_chooses_where_to_work(console: Console, open_page: Open, tmp_path: Path) -> None:
    page = open_page("anna", path="/review?view=queues&by=category&row=category:loan")
    page.get_by_role("button", name="Work here").click()
    page.wait_for_url("**/review?category=loan")
    page.locator(".deck .figure", has_text="3 in hand").wait_for()
    page.locator(".deck .chip", has_text="loan").wait_for()
    for _ in range(3):
        page.keyboard.press("x")
    page.locator(".deck .empty", has_text="Nothing waits here; 15 wait elsewhere.").wait_for()
    page.screenshot(path=tmp_path / "empty-place.png")
    page.get_by_role("button", name="Everywhere").click()
    page.locator(".deck .figure", has_text="15 in hand").wait_for()
    page.wait_for_url("**/review")


@pytest.mark.slow
@pytest.mark.parametrize("console", [120], indirect=True)
def test_two_reviewers_press_at_once_and_never_meet(console: Console, open_page: Open) -> None:
    pages = {name: open_page(name, path="/review") for name in ("anna", "shu")}
    for page in pages.values():
        watched(page, 60)
    press(list(pages.values()), 60)
    wait(lambda: len(decided(console)) >= 120, "the verdicts in the database")
    assert decided(console) == {k: v for name, page in pages.items() for k, v in asked(page, name).items()}
