"""Measure the deck: `python -m tests.dashboards.deck_figures [SESSIONS]`, with Chromium (5 sessions).

It prints the time from a key to the next case on screen and to the server's acknowledgement, by one session alone and
all together, and what the console needs: memory (MB), CPU (cores) while nobody presses and while all do, beside the
load of the machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from playwright.sync_api import sync_playwright

from pipeline.store.accounts.roles import Role
from tests.dashboards.test_console_browser import CHROMIUM, FLAGS, Console
from tests.harness.console_data import PASSWORD, sign_up

if TYPE_CHECKING:
    from playwright.sync_api import Page

CASES = 400
PRESSES = 40
BETWEEN = 250  # ms, as a fast reviewer
REST = 10_000  # ms
# From the key to the frame that follows the drawing of another case, and to the frame after the server's
# acknowledgement: the tab keeps a verdict until then.
PRESS = """([presses, between]) => new Promise((done) => {
  const deck = document.querySelector(".deck") ?? [...document.querySelectorAll("*")]
    .map((each) => each.shadowRoot?.querySelector(".deck")).find(Boolean);
  const shown = () => deck.querySelector(".body")?.dataset.case ?? "";
  const unsent = () => JSON.parse(sessionStorage.getItem("antispam.deck"))?.log ?? [];
  const took = { shown: [], acknowledged: [] };
  const press = (n) => {
    if (n >= presses || !shown()) return ended(n);
    const before = shown(), at = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ax"[n % 2], bubbles: true, composed: true }));
    const { seq } = unsent().at(-1);
    const seen = () => {
      if (shown() === before) return requestAnimationFrame(seen);
      requestAnimationFrame(() => took.shown.push(performance.now() - at));
    };
    const taken = () => {
      if (unsent().some((entry) => entry.seq === seq)) return requestAnimationFrame(taken);
      took.acknowledged.push(performance.now() - at);
    };
    seen();
    taken();
    setTimeout(press, between, n + 1);
  };
  const ended = (n) => {
    if (took.acknowledged.length < n || took.shown.length < n) return requestAnimationFrame(() => ended(n));
    done(took);
  };
  press(0);
})"""
Took = dict[str, list[float]]
WORDS = {"shown": "next case on screen", "acknowledged": "acknowledgement of the server"}


def main(sessions: int) -> None:
    """Start a console, let the reviewers press one by one and together, and print the figures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        console = Console(Path(folder), CASES)
        try:
            process = psutil.Process(console.process.pid)
            told("no session", process, {})
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            pages = [_at_review(browser.new_page(), console, f"reviewer-{n}") for n in range(sessions)]
            before = cpu(process)
            pages[0].wait_for_timeout(REST)
            print(f"{sessions} sessions at rest: {(cpu(process) - before) / REST * 1000:.3f} cores")
            told("one presses", process, pages[0].evaluate(PRESS, [PRESSES, BETWEEN]))
            before, began = cpu(process), time.monotonic()
            for page in pages:  # without `void` each page would be waited for before the next one begins
                page.evaluate(f"void (window.took = ({PRESS})([{PRESSES}, {BETWEEN}]))")
            each_took: list[Took] = [page.evaluate("window.took") for page in pages]
            print(f"all press: {(cpu(process) - before) / (time.monotonic() - began):.2f} cores")
            together = {what: [ms for took in each_took for ms in took[what]] for what in each_took[0]}
            told("all press", process, together)
            browser.close()
        finally:
            console.close()


def told(what: str, process: psutil.Process, took: Took) -> None:
    """Print memory, and the times from a key to the next case and to the acknowledgement."""
    print(f"{what}: {process.memory_info().rss / 2**20:.0f} MB, load {os.getloadavg()[0]:.1f}", flush=True)
    for until, times in took.items():
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"  key to {WORDS[until]}: {len(times)} keys, p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms")


def cpu(process: psutil.Process) -> float:
    """CPU seconds of the console so far."""
    times = process.cpu_times()
    return times.user + times.system


def _at_review(page: Page, console: Console, name: str) -> Page:
    sign_up(console.db, name, Role.REVIEWER, int(time.time() * 1000))
    page.set_default_timeout(120_000)
    page.context.clear_cookies()
    page.goto(console.address + "/review")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button")
    page.locator(".deck .body").wait_for()
    return page


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
