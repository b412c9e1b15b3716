"""The console in a browser: sign in, look, review by keyboard, take back, search, reveal; in two languages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import and_, select, update

from pipeline.decision.configuration import default_policy
from pipeline.rules.consents import Consent, ConsentKind
from pipeline.rules.policies.lifecycle import Approval, LivingKind
from pipeline.run.child import free_port
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.migrate import open_database
from pipeline.store.registry import consents, policy_lifecycle, snoozes
from tests.harness.console_data import CHIEF, PASSWORD, PHONE, fill_lake, fill_rest, open_cases, register_ports, sign_up
from tests.harness.processes.forked import Forked

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

sync_api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

DEADLINE = 60.0  # seconds for anything to appear
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
Open = Callable[..., "Page"]
T = TypeVar("T")


class Console:
    """A running console over a filled world; `password` is the first administrator's one-time one."""

    def __init__(self, folder: Path, cases: int = 18) -> None:
        settings, now = Settings(data_dir=folder), int(time.time() * 1000)
        port = free_port()
        environment = os.environ | {"ANTISPAM_DATA_DIR": str(folder), "ANTISPAM_CONSOLE_PORT": str(port)}
        with (folder / "console.log").open("w") as log:
            self.process = Forked("console", env=environment, stdout=log, stderr=log)
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / "console.log"
        found = wait(lambda: re.search(r"one-time password (\S+)", self.log.read_text()), "the one-time password")
        self.password = str(found[1])
        self.db: Database = open_database(settings)
        register_ports(self.db, now)
        open_cases(self.db, now, cases)
        fill_lake(settings, now, max(60, cases))
        fill_rest(self.db, now)
        for name, role in (
            ("anna", Role.SENIOR_REVIEWER),
            ("shu", Role.SENIOR_REVIEWER),
            ("rui", Role.ANALYST),
            ("ops", Role.OPERATOR),
            ("lin", Role.POLICY_AUTHOR),
            ("bo", Role.POLICY_APPROVER),
        ):
            sign_up(self.db, name, role, now)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.db.close()

    def case(self, ident: str) -> tuple[str, str | None, str]:
        t = schema.cases
        with self.db.read() as connection:
            row = connection.execute(select(t.c.state, t.c.verdict, t.c.note).where(t.c.id == ident)).one()
        return row.state, row.verdict, row.note

    def first(self, ident: str) -> tuple[str | None, str | None]:
        """The verdict that waits for a second opinion, and whose it is."""
        t = schema.cases
        with self.db.read() as connection:
            row = connection.execute(select(t.c.first_verdict, t.c.first_by).where(t.c.id == ident)).one()
        return row.first_verdict, row.first_by


def wait(ask: Callable[[], T | None], what: str) -> T:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE:.0f} s for {what}")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("console"))
    yield console
    console.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(console: Console, browser: Browser) -> Iterator[Open]:
    contexts = []
    asked: list[str] = []

    def run(name: str = "", password: str = PASSWORD, locale: str = "en-GB", path: str = "/") -> Page:
        context = browser.new_context(locale=locale, viewport={"width": 1440, "height": 900})
        context.set_default_timeout(DEADLINE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(console.address + path)
        if name:
            page.fill("input[name=name]", name)
            page.fill("input[name=password]", password)
            page.click("button")
            if path != "/":
                page.wait_for_selector("h1")
                page.goto(console.address + path)
        return page

    yield run
    for context in contexts:
        context.close()
    ours = ("data:", "blob:", console.address)
    assert [url for url in asked if not url.startswith(ours)] == [], "the console needs nothing from elsewhere"


def shown_case(page: Page) -> str:
    return str(page.locator(".deck .body").get_attribute("data-case"))


def leave(page: Page, case: str) -> None:
    wait(lambda: shown_case(page) != case, "another case")


def choose_first_row(page: Page) -> None:
    """A canvas has no rows to click on: the first one lies a header's height below its top."""
    grid = page.locator("[data-testid=stDataFrame]").first
    grid.wait_for()
    page.wait_for_timeout(800)  # the grid measures itself before it answers clicks
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 18, box["y"] + 50)


def test_the_first_sign_in_asks_for_a_password_of_ones_own(console: Console, open_page: Open) -> None:
    page = open_page("admin", console.password)
    page.wait_for_url("**/password")
    page.goto(console.address + "/lists?list=allow")
    page.wait_for_url("**/password?to=*")

    page.fill("input[name=new]", PASSWORD)
    page.fill("input[name=again]", PASSWORD)
    page.click("button")
    page.wait_for_url("**/lists?list=allow")
    open_menu(page, "Administration", page.get_by_role("menuitem", name="Users", exact=True))
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto(console.address + "/lists?list=allow")
    page.wait_for_url("**/login?to=*")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    page.wait_for_url("**/lists?list=allow")


@pytest.mark.parametrize(
    ("locale", "title"), [("zh-CN", "总览"), pytest.param("en-GB", "Overview", marks=pytest.mark.slow)]
)
def test_overview_speaks_the_browsers_language(open_page: Open, locale: str, title: str) -> None:
    page = open_page("ops", locale=locale)
    page.get_by_role("heading", name=title).wait_for()
    page.locator("[data-testid=stVegaLiteChart]").wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
    other = "English" if locale == "zh-CN" else "中文"
    page.get_by_role("link", name=other).click()
    page.get_by_role("heading", name={"总览": "Overview", "Overview": "总览"}[title]).wait_for()


def test_review_by_keyboard_decides_exactly_what_was_on_screen(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/review")
    page.locator(".deck .message").wait_for()
    seen = []
    console.process.send_signal(signal.SIGSTOP)  # a key does not wait for the server
    try:
        for key, verdict in zip("axbaxbaxba", ("release", "reject", "blacklist") * 4, strict=False):
            case = shown_case(page)
            page.keyboard.press(key)
            leave(page, case)
            seen.append((case, verdict))
    finally:
        console.process.send_signal(signal.SIGCONT)
    wait(lambda: console.case(seen[-1][0])[0] == "decided", "the last decision in the database")
    for case, verdict in seen:
        if verdict == "blacklist":  # waits for the opinion of another reviewer
            assert (console.case(case)[:2], console.first(case)) == (("open", None), ("blacklist", "anna"))
        else:
            assert console.case(case)[:2] == ("decided", verdict)

    undone = seen[-1][0]
    page.keyboard.press("u")
    wait(lambda: shown_case(page) == undone, "the case that was taken back")
    wait(lambda: console.case(undone)[:2] == ("open", None), "the verdict to be gone")

    page.keyboard.press("n")
    page.keyboard.type("axb 老客户")
    page.keyboard.press("Enter")
    page.keyboard.press("x")
    wait(lambda: console.case(undone) == ("decided", "reject", "axb 老客户"), "the decision with its note")

    skipped = shown_case(page)
    page.keyboard.press("s")
    leave(page, skipped)
    assert console.case(skipped)[0] == "open"


def test_two_keys_decide_a_campaign_on_all_ports_and_one_takes_it_back(console: Console, open_page: Open) -> None:
    t = schema.cases
    with console.db.write() as connection:
        waits = (t.c.state == "open", t.c.first_by.is_(None))  # for no second opinion of another test
        queue = select(t.c.id).where(*waits).order_by(t.c.due_at, t.c.priority.desc(), t.c.id)
        ids = connection.scalars(queue.limit(3)).all()
        free = {"campaign": "c0123456789abcdef", "claimed_by": None, "lease_until": None, "urgency": 1e12}
        connection.execute(t.update().where(t.c.id.in_(ids)).values(free))
        own = and_(t.c.claimed_by == "shu", t.c.id.not_in(ids))  # a hand begins with what one holds already
        connection.execute(t.update().where(own).values(claimed_by=None, lease_until=None))
    page = open_page("shu", path="/review")
    page.locator(".deck .covered", has_text="3 ports, 459 messages").wait_for()
    page.keyboard.press("c")
    page.locator(".deck button.reject", has_text="459").wait_for()
    page.keyboard.press("x")
    wait(lambda: all(console.case(case)[:2] == ("decided", "reject") for case in ids), "the verdict on all ports")
    page.keyboard.press("u")
    wait(lambda: all(console.case(case)[:2] == ("open", None) for case in ids), "all verdicts to be gone")


def test_hostile_text_stays_text(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/review")
    page.on("dialog", lambda dialog: pytest.fail("a message ran a script"))
    page.locator(".deck .message").wait_for()
    for _ in range(10):
        if page.locator(".deck .message", has_text="<script>").count():
            break
        case = shown_case(page)
        page.keyboard.press("s")
        leave(page, case)
    message = page.locator(".deck .message", has_text="<script>alert(1)</script>")
    assert message.locator("b, script").count() == 0
    assert message.locator(".unseen").inner_text() == "U+200B"


@pytest.mark.slow
def test_an_analyst_sees_masks_and_a_senior_reviewer_may_look(console: Console, open_page: Open) -> None:
    page = open_page("rui", path="/search")
    choose_first_row(page)
    page.get_by_text("Recipient, hashed").first.wait_for(state="attached")
    assert page.get_by_role("button", name="Show full text and numbers").count() == 0
    assert PHONE not in page.content()
    assert page.get_by_role("link", name="Review").count() == 0

    page = open_page("anna", path="/search")
    choose_first_row(page)
    page.get_by_role("button", name="Show full text and numbers").click()
    page.get_by_label("Reason").fill("complaint 4711")
    page.get_by_label("Reason").press("Enter")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text(PHONE).first.wait_for()
    t = schema.audit
    with console.db.read() as connection:
        row = connection.execute(select(t.c.actor, t.c.reason).where(t.c.action == "reveal")).one()
    assert tuple(row) == ("anna", "complaint 4711")


@pytest.mark.slow
def test_a_list_entry_is_added_and_taken_back(console: Console, open_page: Open) -> None:
    page = open_page("ops", path="/lists")
    page.get_by_label("Value").fill("13700009999")
    page.get_by_label("Reason").fill("spam from a farm")
    page.get_by_role("button", name="Add", exact=True).click()
    t = schema.list_entries

    def there() -> bool:
        with console.db.read() as connection:
            return connection.execute(select(t.c.value).where(t.c.value == "13700009999")).first() is not None

    wait(there, "the entry")
    page.get_by_role("button", name="Undo").click()
    wait(lambda: not there(), "the entry to be gone")


@pytest.mark.slow
@pytest.mark.slow
def test_a_consent_is_found_and_taken_back(console: Console, open_page: Open, tmp_path: Path) -> None:
    agreed = [Consent("port/10690000", PHONE, ConsentKind.CONSENT, "会员登记表 2026-118", n) for n in (1, 2)]
    consents.record(console.db, User("chief", Role.ADMINISTRATOR), agreed, 3)
    page = open_page("ops", locale="zh-CN", path="/consents?of=port&begins=1069")
    page.get_by_text("按收件人最后一次答复统计").wait_for()
    page.screenshot(path=tmp_path / "consents-figures-zh.png", full_page=True)
    page = open_page("ops", path="/consents?section=number")
    page.get_by_label("Number").fill("+86 138 0013 8000")
    page.get_by_label("Number").press("Enter")
    choose_first_row(page)
    page.get_by_label("Source").fill("a call")
    page.screenshot(path=tmp_path / "consents-number-en.png", full_page=True)
    assert PHONE not in page.url + page.content()
    page.get_by_role("button", name="Take the consent back").click()
    t = schema.consents

    def refused() -> bool:
        with console.db.read() as connection:
            return "refused" in connection.scalars(select(t.c.kind).where(t.c.number == PHONE)).all()

    wait(refused, "the refusal")


def test_nothing_secret_is_logged(console: Console) -> None:
    log = console.log.read_text()
    assert "Traceback" not in log
    for secret in (PHONE, PASSWORD, "王女士", "额度"):
        assert secret not in log


def open_menu(page: Page, name: str, inner: Locator) -> None:
    """Open a menu or popover, and see `inner` in it; a page that runs again meanwhile may close it."""

    def opened() -> bool:
        page.get_by_role("button", name=name).click()
        try:
            inner.wait_for(timeout=3000)
        except sync_api.TimeoutError:
            return False
        return True

    wait(opened, name)


def confirm(page: Page, deed: str, button: str) -> None:
    """Open the popover of a deed and press its button."""
    inner = page.get_by_role("button", name=button)
    open_menu(page, deed, inner)
    inner.click()


@pytest.mark.slow
def test_a_policy_goes_from_its_author_to_its_approver(console: Console, open_page: Open, tmp_path: Path) -> None:
    chief, shipped = User("chief", Role.ADMINISTRATOR), default_policy()
    policy_lifecycle.publish(console.db, chief, shipped, Approval.TWO, 1)
    author = User("lin", Role.POLICY_AUTHOR)
    changed = shipped.replace("when: codes_to_recipient_10m > 5", "when: codes_to_recipient_10m > 7")
    version = policy_lifecycle.draft(console.db, author, changed, "<i>少误拦</i>", 2)
    page = open_page("lin", locale="en-GB", path=f"/policy?version={version}")
    page.get_by_text("threshold codes_to_recipient_10m 5 → 7").wait_for()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("button", name="Try in shadow").click()
    page.get_by_text(f"{version} shadow").first.wait_for()
    page.screenshot(path=tmp_path / "policy-en.png", full_page=True)
    page = open_page("bo", locale="zh-CN", path=f"/policy?version={version}")
    page.get_by_text("规则 codes-to-recipient：阈值 codes_to_recipient_10m 5 → 7").wait_for()
    assert page.locator("[data-testid=stMain] i").count() == 0
    page.screenshot(path=tmp_path / "policy-zh.png", full_page=True)
    confirm(page, "分流一部分", "设定比例")
    page.get_by_text(f"{version} 分流 1 %").first.wait_for()
    confirm(page, "批准生效", f"让 {version} 生效")
    page.get_by_text("由 lin 起草，由 bo 批准生效").wait_for()
    (row,) = [r for r in policy_lifecycle.versions(console.db, chief) if r.state == "in_force"]
    assert (row.version, row.author, row.approver) == (version, "lin", "bo")


@pytest.mark.slow
@pytest.mark.slow
def test_a_dictionary_goes_from_its_author_to_its_approver(console: Console, open_page: Open, tmp_path: Path) -> None:
    kind, words = LivingKind.DICTIONARY, "word,category,verdict\n办证,other,review\n"
    policy_lifecycle.publish(console.db, CHIEF, words, Approval.TWO, 1, kind)
    author, changed = User("lin", Role.POLICY_AUTHOR), words.replace("review", "reject")
    version = policy_lifecycle.draft(console.db, author, changed, "少误拦", 2, kind)
    path = f"/policy?kind={kind}&version={version}"
    page = open_page("lin", locale="en-GB", path=path)
    page.get_by_text("word 办证: verdict review → reject").wait_for()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("button", name="Withdraw").wait_for()
    assert page.get_by_role("button", name="Try in shadow").count() == 0
    page.screenshot(path=tmp_path / "dictionary-en.png", full_page=True)
    page = open_page("bo", locale="zh-CN", path=path)
    page.get_by_text("词语 办证：结论 review → reject").wait_for()
    page.screenshot(path=tmp_path / "dictionary-zh.png", full_page=True)
    confirm(page, "批准生效", f"让 {version} 生效")
    page.get_by_text("由 lin 起草，由 bo 批准生效").wait_for()
    assert parse_qs(urlsplit(page.url).query)["kind"] == [kind]


@pytest.mark.slow
def test_a_case_opens_the_form_that_snoozes_its_rule(open_page: Open, console: Console) -> None:
    rule, now = "bulk-same-content", int(time.time() * 1000)
    policy_lifecycle.publish(console.db, CHIEF, default_policy(), Approval.TWO, now)
    with console.db.write() as connection:
        connection.execute(update(schema.cases).values(rule=rule))
    page = open_page("anna", path="/review")
    page.wait_for_selector(".deck .body")
    port = str(page.locator(".deck .head").inner_text()).split("Port ")[1].split()[0]
    before = shown_case(page)
    with page.context.expect_page() as opened:
        page.keyboard.press("z")
    form = opened.value
    form.get_by_role("button", name="Continue").click()
    sentence = form.get_by_text(f"will not count for port {port}")
    sentence.wait_for()
    assert f"Case {before}" in form.locator("[data-testid=stMain]").inner_text()
    assert not snoozes.snoozes(console.db, CHIEF, now), "nothing is snoozed before the confirmation"
    form.get_by_role("button", name="Snooze", exact=True).click()
    [made] = wait(lambda: snoozes.snoozes(console.db, CHIEF, now), "the snooze")
    assert (made.rule, made.kind, made.value, made.made_by) == (rule, "port", port, "anna")
    form.wait_for_url(lambda url: "rule=" not in url)
    assert shown_case(page) == before, "the case stays in hand"


def test_a_link_opens_the_same_search_in_another_language(console: Console, open_page: Open) -> None:
    page = open_page("anna", path="/search?verdict=reject&port=1069")
    choose_first_row(page)
    page.wait_for_url("**row=*")
    ident = page.locator("[data-testid=stMain] code").first.inner_text()
    link = page.url.removeprefix(console.address)
    assert "verdict=reject" in link
    assert "port=1069" in link
    page = open_page("rui", locale="zh-CN", path=link)
    page.locator("[data-testid=stMain] code", has_text=ident).first.wait_for()
    wait(lambda: page.get_by_label("端口或发送方开头").input_value() == "1069", "the port in its field")
    with page.expect_download() as saved:
        page.get_by_role("button", name="保存为 csv").click()
    head, *rows = saved.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert head == "at,sender,verdict,text,rules,score,messages"
    assert {row.split(",")[2] for row in rows} == {"拒绝"}
    assert f"结果：{len(rows)} 项" in page.locator("[data-testid=stMain]").inner_text()
