"""The list of cases in Chromium: selection by keyboard, a verdict on several, hand-over, comments, separation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.actions.review.merging import merge
from pipeline.store import schema
from tests.dashboards.test_console_browser import CHROMIUM, Console, Open, browser, confirm, open_page, sync_api, wait

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "open_page"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"), 30)
    yield console
    console.close()


def select(page: Page, rows: int) -> None:
    """Select the first rows with Shift+Space and the arrow keys."""
    grid = page.locator("[data-testid=stDataFrame]").first
    grid.wait_for()
    told = page.get_by_text(f"A verdict decides: cases {rows},")

    def selected() -> bool:
        """A grid that has not measured itself yet takes no click; then the next try selects."""
        box = grid.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 300, box["y"] + 50)
        for n in range(rows):
            page.keyboard.press("Shift+Space")
            if n < rows - 1:
                page.keyboard.press("ArrowDown")
        try:
            told.wait_for(timeout=10_000)
        except sync_api.TimeoutError:
            page.keyboard.press("Escape")
            return False
        return True

    wait(selected, "the selection")


def still_undoable(console: Console) -> None:
    """However long the page took, the verdicts can be taken back."""
    t = schema.cases
    with console.db.write() as connection:
        connection.execute(
            t.update().where(t.c.state == "decided").values(effective_at=int(time.time() * 1000) + 600_000)
        )


def oldest(n: int) -> list[str]:
    return [f"case-{number:03}" for number in range(n)]


def test_a_selection_by_keyboard_is_counted_confirmed_decided_and_taken_back(
    console: Console, open_page: Open, tmp_path: Path
) -> None:
    page = open_page("anna", path="/review?view=cases&sort=oldest")
    select(page, 3)
    page.get_by_text("cases 3, messages 459, ports 3").wait_for()
    page.get_by_label("Note").fill("一家代理")
    page.screenshot(path=tmp_path / "selection-en.png", full_page=True)
    confirm(page, "Reject", "Reject: cases 3, messages 459")
    page.get_by_text("3 of 3 cases decided: reject.").wait_for()
    assert [console.case(case)[1:] for case in oldest(3)] == [("reject", "一家代理")] * 3
    still_undoable(console)
    page.get_by_role("button", name="Take back").click()
    wait(lambda: all(console.case(case)[0] == "open" for case in oldest(3)), "the verdicts to be gone")
    page.get_by_role("button", name="Close").click()
    page.get_by_text("30 cases, 4,590 messages at ").wait_for()


def test_a_selection_stays_on_its_cases_when_the_order_changes(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/review?view=cases&sort=messages&port=10690003")
    select(page, 1)
    page.wait_for_url("**open=case-003**")
    t = schema.cases
    with console.db.write() as connection:
        connection.execute(t.update().where(t.c.id == "case-009").values(messages=999))
    confirm(page, "Reject", "Reject: cases 1, messages 153")
    page.get_by_text("1 of 1 cases decided: reject.").wait_for()
    assert console.case("case-003")[:2] == ("decided", "reject")
    assert console.case("case-009")[0] == "open"
    still_undoable(console)
    page.get_by_role("button", name="Take back").click()
    page.get_by_text("0 of 1 cases decided").wait_for()
    page.get_by_role("button", name="Close").click()
    page.get_by_text("5 cases, 1,611 messages at ").wait_for()


def test_a_link_opens_a_case_in_another_language_with_its_comments(console: Console, open_page: Open) -> None:
    link = "/review?view=cases&open=case-001"
    page = open_page("anna", path=link)
    page.get_by_label("Comment").fill("<b>请</b> ask **the port** <script>alert(1)</script>")
    page.get_by_role("button", name="Add the comment").click()
    page.get_by_text("<b>请</b> ask **the port** <script>alert(1)</script>").wait_for()
    page = open_page("shu", locale="zh-CN", path=link)
    page.on("dialog", lambda dialog: pytest.fail("a comment ran a script"))
    page.get_by_text("<b>请</b> ask **the port** <script>alert(1)</script>").wait_for()
    page.get_by_role("button", name="审核此案件").click()
    page.wait_for_url("**/review?case=case-001")
    page.locator(".deck .body[data-case=case-001]").wait_for()
    page.locator(".deck .figure", has_text="1 在手").wait_for()


def test_a_case_is_handed_over_to_a_person(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/review?view=cases&sort=oldest")
    select(page, 1)
    page.get_by_role("button", name="Hand over").first.click()
    page.get_by_label("To", exact=True).click()
    page.get_by_role("option", name="shu").click()
    page.get_by_role("button", name="Hand over").last.click()
    page.locator("p", has_text="Assigned to shu").wait_for()
    page = open_page("shu", path="/review?person=shu")
    page.locator(".deck .body[data-case=case-000]").wait_for()


def test_a_merge_is_undone_on_the_page_of_its_case(console: Console, open_page: Open, tmp_path: Path) -> None:
    apart = ["case-011", "case-017"]  # of the port of case-005
    with console.db.write() as connection:
        merge(connection, int(time.time() * 1000), "10690005", "c0123456789abcdef", ["case-005", *apart])
    assert console.case("case-011")[0] == "merged"
    page = open_page("anna", path="/review?view=cases&open=case-011")
    page.get_by_role("button", name="Open that case").click()
    page.get_by_text("2 cases were merged into this one.").wait_for()
    page.screenshot(path=tmp_path / "merged-en.png", full_page=True)
    page.get_by_role("button", name="Separate 2 cases").click()
    page.get_by_role("button", name="Separate", exact=True).click()
    wait(lambda: all(console.case(case)[0] == "open" for case in apart), "the cases to be apart")
    page.get_by_text("2 cases were merged into this one.").wait_for(state="detached")
