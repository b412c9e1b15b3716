"""Make the pictures in docs/pictures: `python -m tests.dashboards.review_pictures`, with Chromium and a CJK font."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.dashboards.test_console_browser import CHROMIUM, FLAGS, Console
from tests.harness.console_data import PASSWORD
from tests.harness.places import ROOT

PICTURES = (
    ("console-review-en.png", "en-GB", "/review", ".deck .message"),
    ("console-review-zh.png", "zh-CN", "/review?case=case-001", ".deck .message"),
    ("console-queues-en.png", "en-GB", "/review?view=queues&by=category", "[data-testid=stDataFrame]"),
    ("console-cases-zh.png", "zh-CN", "/review?view=cases&open=case-001", "[data-testid=stForm]"),
)


def main() -> None:
    """Start a console over the invented world and save each picture."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        console = Console(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, locale, path, shown in PICTURES:
                context = browser.new_context(locale=locale, viewport={"width": 1280, "height": 760})
                page = context.new_page()
                page.set_default_timeout(60_000)
                page.goto(console.address + path)
                page.fill("input[name=name]", "shu")
                page.fill("input[name=password]", PASSWORD)
                page.click("button")
                page.locator(shown).first.wait_for()
                page.wait_for_timeout(5000)  # tables measure themselves, fonts come
                page.screenshot(path=ROOT / "docs" / "pictures" / name)
                context.close()
        finally:
            console.close()


if __name__ == "__main__":
    main()
