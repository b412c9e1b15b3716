"""Markup, script and markdown in every field that people or senders fill stay plain text on every page."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role
from tests.dashboards.test_console_access import OFFICE, PAGES
from tests.dashboards.test_console_browser import CHROMIUM, Console, Open, browser, open_page
from tests.harness.console_data import sign_up

__all__ = ["browser", "open_page"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

HOSTILE = (
    "<img src=x onerror='window.ran = 1'><script>window.ran = 2</script>"
    "**loud** [here](javascript:ran=3) ![](http://evil.example/p.png) :material/home: $x^2$"
)
# Columns of free text, by name, in whatever table they are.
FREE = {"name", "content", "text", "note", "reason", "message", "title", "answer", "source", "reference", "province",
        "city", "comment", "description", "status", "actor", "subject", "sample"}  # fmt: skip
KEPT = {
    "audit",
    "users",
    "sessions",
    "alembic_version",
    "configurations",
    "callbacks",
    "outbox",
    "policies",
}  # machines read them
FIND = """() => {
  const seen = [];
  const look = (root) => root.querySelectorAll("*").forEach((each) => {
    if (each.matches("img[src='x'], img[src*=evil], a[href^=javascript], .katex")) seen.push(each.outerHTML);
    if (each.matches("strong, b") && each.textContent === "loud") seen.push(each.outerHTML);
    if (each.shadowRoot) look(each.shadowRoot);
  });
  look(document);
  return [seen, window.ran ?? null, document.body.innerText.includes("onerror")];
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"))
    changed = 0
    with console.db.write() as connection:
        for table in schema.metadata.sorted_tables:
            keys = {column.name for column in table.primary_key} | {
                column.name for index in table.indexes if index.unique for column in index.columns
            }
            free = [column.name for column in table.c if column.name in FREE - keys]
            if free and table.name not in KEPT:
                changed += connection.execute(update(table).values(dict.fromkeys(free, HOSTILE))).rowcount
        # The trail takes new rows only.
        audit.record(connection, int(time.time() * 1000), HOSTILE[:64], "port.suspend", HOSTILE[:128], reason=HOSTILE)
    assert changed > 50
    sign_up(console.db, "eva", Role.ADMINISTRATOR, int(time.time() * 1000))
    yield console
    console.close()


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_no_field_becomes_markup_on_any_page(console: Console, open_page: Open, locale: str) -> None:
    page = open_page("eva", locale=locale)
    page.on("dialog", lambda dialog: pytest.fail("a field ran a script"))
    page.get_by_role("heading").first.wait_for()
    shown = 0
    for path in (*PAGES, *OFFICE, "ports?port=10690000", "complaints?row=0", "review?case=case-001"):
        page.goto(f"{console.address}/{path}")
        page.locator("[data-testid=stMain] h1, .deck h1").first.wait_for()
        page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        found, ran, told = page.evaluate(FIND)
        assert (found, ran) == ([], None), path
        assert page.locator("[data-testid=stException]").count() == 0, path
        shown += told
    print(f"{shown} pages show the text outside of a table")
    assert shown
