"""Every page for every role: it renders, or says that it may not."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from streamlit.testing.v1 import AppTest

from dashboards import session
from dashboards.cases import case_table
from dashboards.guard import now_ms
from dashboards.screens import overview, rules
from pipeline.actions.alerts.inbox import find_alert
from pipeline.actions.alerts.news import project_alerts
from pipeline.actions.console.overview import Channel, Standing
from pipeline.actions.explore.sums import Explored, explore
from pipeline.actions.watch.report import report as watched
from pipeline.events import Alert, AlertLevel, encode
from pipeline.lake.backtest.reports import save
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import built_in
from pipeline.rules.policies.lifecycle import Approval, LivingKind
from pipeline.rules.versions import version_of
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, Role, User, allowed
from pipeline.store.registry import policy_lifecycle, ports
from tests.harness.console_data import CAMPAIGN, fill_lake, fill_rest, open_cases, register_ports, sign_up
from tests.harness.lake.backtest_reports import REPORT, SWEEP
from tests.harness.migrated import migrated_database

pytestmark = pytest.mark.long

RIGHTS = {
    "overview": Right.SEE_TRAFFIC,
    "review": Right.REVIEW,
    "search": Right.SEARCH,
    "explore": Right.SEARCH,
    "backtest": Right.SEARCH,
    "lists": Right.EDIT_LISTS,
    "numbers": Right.EDIT_LISTS,
    "consents": Right.EDIT_LISTS,
    "complaints": Right.SEARCH,
    "rules": Right.SEE_TRAFFIC,
    "ports": Right.SEE_TRAFFIC,
    "channels": Right.SEE_TRAFFIC,
    "policy": Right.SEARCH,
    "alerts": Right.SEE_TRAFFIC,
    "users": Right.ADMINISTER,
    "audit": Right.ADMINISTER,
}
SECRETS = ("13800138000", "13900139000", "王女士", "4008001234")
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[Role, str]]]:
    """A filled console and a session of each role."""
    folder = tmp_path_factory.mktemp("console")
    settings, now = Settings(data_dir=folder), int(time.time() * 1000)
    db = migrated_database(settings)
    register_ports(db, now)
    open_cases(db, now)
    fill_lake(settings, now)
    fill_rest(db, now)
    yield folder, {role: sign_up(db, role.value, role, now) for role in Role}
    db.close()


@pytest.fixture
def render(world: tuple[Path, dict[Role, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    folder, tokens = world
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(folder))
    # AppTest makes its script the main module. A later test that starts a process would run the script there.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    session.services.clear()

    def run(page: str, role: Role, language: str, **address: str) -> AppTest:
        monkeypatch.setattr(session, "token", lambda: tokens[role])
        monkeypatch.setattr(session, "chosen_language", lambda: language)
        if page == "main":
            return AppTest.from_file(str(Path(session.__file__).with_name("main.py")), default_timeout=30).run()
        app = AppTest.from_function(_page, args=(page,), default_timeout=30)
        for name, value in address.items():
            app.query_params[name] = value
        return app.run()

    yield run
    session.services().db.close()
    session.services.clear()


def _page(name: str) -> None:
    from importlib import import_module

    from dashboards import session

    with session.told():
        import_module(f"dashboards.screens.{name}").page()


def _shown(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.title, app.header, app.code, app.info)
    parts = [str(element.value) for kind in kinds for element in kind]
    return "\n".join([*parts, *(frame.value.to_csv() for frame in app.dataframe)])


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("page", list(RIGHTS))
def test_every_page_for_every_role(render: Open, page: str, role: Role) -> None:
    app = render(page, role, "en")
    assert not app.exception
    if allowed(User("x", role), RIGHTS[page]):
        assert not app.error
    else:
        assert "does not allow" in app.error[0].value.replace("\\", "")
    shown = _shown(app)
    for secret in SECRETS:
        assert secret not in shown, "no page shows a full number or name by itself"


@pytest.mark.parametrize("page", list(RIGHTS))
def test_every_page_in_chinese(render: Open, page: str) -> None:
    app = render(page, Role.ADMINISTRATOR, "zh")
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMINISTRATOR])
def test_the_whole_script(render: Open, role: Role) -> None:
    app = render("main", role, "zh")
    assert not app.exception
    assert app.title[0].value == "总览"


def _bulk() -> None:
    import streamlit as st

    from dashboards import session
    from dashboards.cases import case_table
    from dashboards.guard import now_ms
    from pipeline.actions.review.case_list import list_cases
    from pipeline.events import Verdict

    user = session.user()
    if "made" not in st.session_state:
        cases = list_cases(session.services().db, user, now_ms()).cases
        todo = {case.id: case.last_member for case in cases}
        st.session_state[case_table.RUN] = case_table.Run(Verdict.REJECT, "", todo, len(todo))
        st.session_state["made"] = True
    case_table._told(session.text(), user)


def test_a_verdict_on_many_cases_is_cancelled_half_way_and_taken_back(
    render: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    render("review", Role.SENIOR_REVIEWER, "en")
    with session.services().db.write() as connection:  # of those who opened the page before
        connection.execute(update(schema.cases).values(claimed_by=None, lease_until=None))
    monkeypatch.setattr(case_table, "AT_ONCE", 2)
    app = AppTest.from_function(_bulk, default_timeout=30).run()
    app.button(key="bulk_cancel").click().run()
    assert not app.exception
    assert "2 of 6 cases decided: reject." in _shown(app)
    assert app.expander[0].label == "4 left open"
    app.button(key="bulk_undo").click().run()
    assert "0 of 6 cases decided" in _shown(app)


def test_search_groups_and_the_address_keeps_by_what(render: Open) -> None:
    app = render("search", Role.ANALYST, "en", by="verdict")
    assert not app.exception
    assert not app.error
    shown = next(frame.value for frame in app.dataframe if "share" in frame.value)
    assert "review" in set(shown["value"])
    assert sum(float(share) for share in shown["share"]) > 99


def test_the_audit_trail_shows_who_did_what(render: Open) -> None:
    app = render("audit", Role.ADMINISTRATOR, "en")
    assert not app.exception
    assert not app.error
    frame = app.dataframe[0].value
    assert list(frame.columns) == ["id", "at", "actor", "action", "subject", "before", "after", "reason"]
    assert list(frame["id"]) == sorted(frame["id"], reverse=True)


def test_an_alert_is_told_in_the_language_of_its_reader(render: Open) -> None:
    rule, values = BuiltInRule.CASE_OVERDUE, {"case": "case-7", "minutes": 60, "messages": 1234}
    render("alerts", Role.ADMINISTRATOR, "en")
    alert = Alert(
        id="told", level=AlertLevel.SEVERE, rule=rule, subject="1", message=built_in(rule, values), values=values, at=1
    )
    with session.services().db.write() as connection:
        project_alerts(connection, 1, [encode(alert)])
    assert "Case case-7 has waited for more than 60 review minutes" in _shown(
        render("alerts", Role.ADMINISTRATOR, "en")
    )
    assert "待审案件 case-7 超过 60 分钟未审，共 1234 条" in _shown(render("alerts", Role.ADMINISTRATOR, "zh"))


def test_an_alert_is_taken_and_closed_on_its_page(render: Open) -> None:
    app = render("alerts", Role.ADMINISTRATOR, "en", open="alert-2")
    db, user = session.services().db, session.user()
    assert "[Open the port" in _shown(app)
    app.button(key="alerts_take").click().run()
    assert not app.exception
    assert find_alert(db, user, "alert-2")[0].assigned_to == user.name
    app = render("alerts", Role.ADMINISTRATOR, "en", show="mine", open="alert-2")
    app.button(key="alerts_close").click().run()
    assert not app.exception
    assert [deed.change for deed in find_alert(db, user, "alert-2")[1]] == ["taken", "closed"]


@pytest.mark.parametrize("section", ["rules", "silences"])
def test_rules_and_silences_of_alerts_are_read_by_all_and_changed_by_operators(render: Open, section: str) -> None:
    for role in (Role.VIEWER, Role.OPERATOR):
        app = render("alerts", role, "zh", section=section)
        assert not app.exception
        assert not app.error
        assert bool([b for b in app.button if b.label in ("保存", "开始静默")]) == (role is Role.OPERATOR)


def test_without_a_report_the_command_is_told(render: Open) -> None:
    app = render("backtest", Role.ANALYST, "en")
    assert "run the command where the lake is" in app.info[0].value
    assert app.code[0].value.startswith("antispam backtest --policy")


@pytest.fixture
def reported(world: tuple[Path, dict[Role, str]]) -> Iterator[None]:
    """Two reports of backtests, the newer one with a sweep."""
    settings = Settings(data_dir=world[0])
    for report in (REPORT, SWEEP):
        save(settings, report)
    yield
    shutil.rmtree(world[0] / "backtests")


def test_a_backtest_shows_its_figures_groups_and_samples(render: Open, reported: None) -> None:
    app = render("backtest", Role.ANALYST, "en")
    assert not app.exception
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Messages, newly stopped"] == "1,234"
    assert figures["Precision"] == "100.0%"
    groups, samples = (frame.value for frame in app.dataframe)
    assert list(groups["stopped"]) == [1234] * 3
    assert list(samples["text"]) == ["x\x1b[31m\n", "<b>发票</b>"]
    assert "2 decisions could not be replayed: no text in the lake" in app.warning[0].value
    assert any("Sweep of volume" in header.value for header in app.header)


def test_the_choices_of_a_backtest_are_in_the_url(render: Open, reported: None) -> None:
    app = render("backtest", Role.ANALYST, "en")
    app.selectbox[1].select("7").run()
    assert {metric.label: metric.value for metric in app.metric}["Messages, newly stopped"] == "400"
    app.selectbox[2].select("word").run()
    assert list(app.dataframe[1].value["rule"]) == ["word"]
    assert dict(app.query_params) == {"report": SWEEP.key, "value": "7", "rule": "word", "by": "rules"}
    app.selectbox[0].select(REPORT.key).run()
    assert app.query_params["report"] == REPORT.key
    assert "value" not in app.query_params
    assert not any("Sweep" in header.value for header in app.header)


def test_a_link_to_a_backtest_opens_it(
    render: Open, reported: None, world: tuple[Path, dict[Role, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = AppTest.from_function(_page, args=("backtest",), default_timeout=30)
    monkeypatch.setattr(session, "token", lambda: world[1][Role.ANALYST])
    monkeypatch.setattr(session, "chosen_language", lambda: "zh")
    for name, value in {"report": SWEEP.key, "value": "3", "by": "ports", "rule": "volume"}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["新拦截条数"] == "2,000"
    assert list(app.dataframe[0].value["name"]) == ["10690001"]
    assert list(app.dataframe[1].value["rule"]) == ["volume"]


@pytest.fixture
def exploring(
    render: Open, world: tuple[Path, dict[Role, str]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Explore as an analyst, opened by a link."""

    def run(role: Role = Role.ANALYST, **address: str) -> AppTest:
        app = AppTest.from_function(_page, args=("explore",), default_timeout=30)
        monkeypatch.setattr(session, "token", lambda: world[1][role])
        monkeypatch.setattr(session, "chosen_language", lambda: "en")
        for name, value in address.items():
            app.query_params[name] = value
        return app.run()

    return run


def _figures(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_a_link_to_a_campaign_shows_its_variants_and_masked_messages(exploring: Callable[..., AppTest]) -> None:
    app = exploring(campaign=CAMPAIGN, by="content", messages="1")
    assert not app.exception
    assert _figures(app)["Messages"] == "30"
    shown = _shown(app)
    assert "1,234 messages from 4 ports and 9 senders" in shown
    assert shown.count("http://example.com/…") == 20  # ten contents, ten messages
    assert [secret for secret in SECRETS if secret in shown] == []


def test_filters_are_added_and_taken_away_and_the_address_keeps_no_number(exploring: Callable[..., AppTest]) -> None:
    app = exploring(enterprise="e-south")
    assert _figures(app)["Messages"] == "90"
    next(one for one in app.selectbox if one.label == "Column").select("number").run()
    next(one for one in app.text_input if one.label == "Value").input("13800138000").run()
    next(button for button in app.button if button.label == "Filter").click().run()
    assert _figures(app)["Messages"] == "30"
    assert "13800138000" not in str(dict(app.query_params))
    next(button for button in app.button if button.label.startswith("Enterprise: ")).click().run()
    assert _figures(app)["Messages"] == "60"
    assert "enterprise" not in app.query_params


@pytest.mark.long
def test_a_pause_in_typing_asks_the_lake_for_nothing(
    exploring: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def asking(*given: Any, **options: Any) -> Explored:
        asked.append(given[4])
        return explore(*given, **options)

    monkeypatch.setattr("dashboards.explored.filter_form.explore", asking)
    app = exploring()
    for typed in ("1", "10", "106"):
        next(one for one in app.text_input if one.label == "Value").input(typed).run()
    assert asked == ["port"]
    next(one for one in app.selectbox if one.label == "Column").select("kind").run()
    next(one for one in app.text_input if one.label == "Value").input("c").run()
    assert asked == ["port", "kind"]


def test_values_that_fit_are_shown_while_the_reader_types(exploring: Callable[..., AppTest]) -> None:
    app = exploring()
    next(one for one in app.selectbox if one.label == "Column").select("region").run()
    next(one for one in app.text_input if one.label == "Value").input("京").run()
    next(button for button in app.button if button.label.startswith("北京")).click().run()
    assert app.query_params["region"] == "北京"
    assert _figures(app)["Messages"] == "60"


def test_a_query_is_saved_and_opened_by_another_user(exploring: Callable[..., AppTest]) -> None:
    app = exploring(by="category", period="30", category="loan")
    next(one for one in app.text_input if one.label == "Save this view as").input("<b>loans</b>")
    app.checkbox[0].check()
    next(button for button in app.button if button.label == "Save").click().run()
    assert not app.error
    other = exploring(role=Role.REVIEWER)
    links = "".join(str(getattr(html, "value", "")) for html in other.get("html"))
    assert "&lt;b&gt;loans&lt;/b&gt;</a> · analyst · shared" in links
    assert 'href="?by=category&amp;period=30&amp;category=loan"' in links


def test_what_the_address_asks_wrongly_is_said_or_left_out(exploring: Callable[..., AppTest]) -> None:
    app = exploring(by="x; DROP", measure="y", period="900", source="z", port="' OR 1=1 --")
    assert not app.exception
    assert "Nothing fits in this period" in _shown(app)
    app = exploring(period="own", to="2026-01-01", **{"from": "2020-01-01"})
    assert "at most 366 days" in app.error[0].value.replace("\\", "")


def test_a_session_that_is_over_shows_nothing(render: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "user_of", lambda *args, **kwargs: None)
    app = render("main", Role.ADMINISTRATOR, "en")
    assert not app.exception
    assert not app.title
    assert app.warning[0].value == "Your session is over."


TEXTS = [
    "rules: [{id: many, event: submission, description: many, when: messages > 50, verdict: review}]",
    "rules: [{id: many, event: submission, description: many, when: messages > 60, verdict: review}]",
]


@pytest.fixture
def versions(world: tuple[Path, dict[Role, str]]) -> Iterator[tuple[str, str]]:
    """A policy in force and one that its author submitted; only this test has them."""
    db = migrated_database(Settings(data_dir=world[0]))
    author = User("policy_author", Role.POLICY_AUTHOR)
    policy_lifecycle.publish(db, User("chief", Role.ADMINISTRATOR), TEXTS[0], Approval.TWO, 1)
    drafted = policy_lifecycle.draft(db, author, TEXTS[1], "fewer <b>cases</b>", 2)
    policy_lifecycle.submit(db, author, drafted, 3)
    yield version_of(TEXTS[0]), drafted
    with db.write() as connection:
        for table in (schema.policies, schema.in_force, schema.configurations):
            connection.execute(delete(table))
    db.close()


def _of_policy(render: Open, role: Role, version: str, language: str = "en") -> AppTest:
    app = render("policy", role, language)
    app.selectbox(key="policy_version").set_value(version).run()
    assert not app.exception
    return app


def test_an_approver_sees_the_difference_in_words_and_puts_it_in_force(render: Open, versions: tuple[str, str]) -> None:
    before, drafted = versions
    assert "规则 many：阈值 messages 50 → 60" in _shown(_of_policy(render, Role.POLICY_APPROVER, drafted, "zh"))
    app = _of_policy(render, Role.POLICY_APPROVER, drafted)
    assert "rule many: threshold messages 50 → 60" in _shown(app)
    assert [b.key for b in app.button] == ["set_share", "approve"]
    app.button(key="approve").click().run()
    assert not app.error
    assert app.metric[0].value == drafted
    app.selectbox(key="policy_version").set_value(before).run()
    app.button(key="rollback").click().run()
    assert app.metric[0].value == before


def test_an_author_tries_a_version_and_gives_it_up_but_does_not_approve(
    render: Open, versions: tuple[str, str]
) -> None:
    app = _of_policy(render, Role.POLICY_AUTHOR, versions[1])
    assert [b.key for b in app.button][:-1] == ["shadow", "withdraw"]  # the last one saves a draft
    app.button(key="shadow").click().run()
    assert app.metric[2].value == f"{versions[1]} shadow"
    app.button(key="withdraw").click().run()
    assert app.metric[2].value == "–"


def test_an_author_drafts_and_is_shown_the_fault(render: Open, versions: tuple[str, str]) -> None:
    app = render("policy", Role.POLICY_AUTHOR, "en")
    app.text_area[0].set_value("rulez: []")
    next(b for b in app.button if b.label == "Save as draft").click().run()
    assert not app.error
    assert app.selectbox(key="policy_version").value == version_of("rulez: []")
    assert "unknown field 'rulez'" in _shown(app)
    app.button(key="submit").click().run()
    assert "unknown field 'rulez'" in app.error[0].value.replace("\\", "")


def test_an_administrator_who_wrote_it_needs_another_person(
    render: Open, versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = render("policy", Role.ADMINISTRATOR, "en")
    app.text_area[0].set_value("title: mine")
    next(b for b in app.button if b.label == "Save as draft").click().run()
    app.button(key="submit").click().run()
    assert "another person gives it a share" in _shown(app)


def test_a_dictionary_has_the_same_page_without_a_trial(render: Open, versions: tuple[str, str]) -> None:
    app = render("policy", Role.POLICY_AUTHOR, "en")
    app.segmented_control(key="policy_kind").set_value("dictionary").run()
    assert not app.exception
    assert app.query_params["kind"] == "dictionary"
    assert [b.label for b in app.button] == ["Save as draft"]
    app.text_area[0].set_value("word,category\n办证,other\n")
    app.button[0].click().run()
    app.button(key="submit").click().run()
    assert not app.error
    assert [b.key for b in app.button][:-1] == ["withdraw"]
    app = render("policy", Role.POLICY_APPROVER, "zh")
    app.segmented_control(key="policy_kind").set_value("dictionary").run()
    app.button(key="approve").click().run()
    assert not app.error
    assert app.metric[0].value == version_of("word,category\n办证,other\n")
    assert len(app.metric) == 2


def test_the_page_says_that_the_calendar_ends(render: Open, versions: tuple[str, str]) -> None:
    text = "zone: Asia/Shanghai\nyears: {2024: {source: a, holidays: {元旦: 2024-01-01}, workdays: []}}\n"
    app = render("policy", Role.POLICY_AUTHOR, "en")
    app.segmented_control(key="policy_kind").set_value("calendar").run()
    app.text_area[0].set_value(text)
    next(b for b in app.button if b.label == "Save as draft").click().run()
    app.button(key="submit").click().run()
    app = render("policy", Role.POLICY_APPROVER, "zh")
    app.segmented_control(key="policy_kind").set_value("calendar").run()
    app.button(key="approve").click().run()
    assert not app.error
    assert "该年内节假日规则不生效" in app.warning[0].value


def test_others_only_look(render: Open, versions: tuple[str, str]) -> None:
    app = _of_policy(render, Role.ANALYST, versions[1])
    assert not app.button
    assert not app.text_area
    assert "rule many: threshold messages 50 → 60" in _shown(app)


def test_waiting_work_is_told_in_whole_words_and_with_marked_thousands(
    render: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stands(*_: object) -> Standing:
        channel = Channel("default", 12_345, 0, 0, 0)
        return Standing(10**12, 1234, None, 0, 0, None, 0, 0, None, None, [channel], {}, 0, None)

    monkeypatch.setattr(overview, "standing", stands)
    app = render("overview", Role.ADMINISTRATOR, "en")
    assert not app.exception
    assert app.metric[1].value == "1,234"
    assert [metric.delta for metric in app.metric[1:]] == ["nothing waits"] * 4
    channels = app.dataframe[-1]
    assert '"format": "localized"' in channels.proto.columns


def test_a_port_takes_the_steps_of_its_life_after_a_reason(render: Open) -> None:
    code = "10690005"
    app = render("ports", Role.OPERATOR, "en", port=code)
    for step, after in (("suspend", "suspended"), ("undertake", "suspended"), ("resume", "limited"), ("lift", "open")):
        button = app.button(key=f"confirm_{step}")
        assert button.disabled
        app.text_input(key=f"reason_{step}_{code}").set_value("because").run()
        app.button(key=f"confirm_{step}").click().run()
        assert not app.exception
        assert not app.error
        word = "active" if after == "open" else after
        assert app.metric[0].value == word
        listed = app.dataframe[0].value
        assert list(listed["State"][listed["Code"] == code]) == [word], "the list and the port say the same"


def test_the_history_of_a_port_says_why_in_the_readers_language_and_leads_to_the_evidence(render: Open) -> None:
    render("ports", Role.OPERATOR, "en")
    with session.services().db.write() as connection:
        values = {"count": 16, "limit": 15}
        for rule, evidence, reason in (
            ("complaints", "complaint/c1", "投诉过多：30 天内 16 次，超过 15 次即处置"),
            ("impersonation-repeated", "decision/s1", "冒充 *B*"),
        ):
            ports.note(connection, now_ms(), "pipeline", "suspend", "10690004", rule, evidence, reason, values)
    shown = _shown(render("ports", Role.ANALYST, "en", port="10690004"))
    assert "16 in 30 days; more than 15" in shown
    assert "(/complaints?port=10690004)" in shown
    assert "冒充 \\*B\\*" in shown
    assert "/search?port=10690004&rule=impersonation-repeated&since=" in shown
    shown = _shown(render("ports", Role.VIEWER, "zh", port="10690004"))
    assert "投诉过多：30 天内 16 次" in shown
    assert "(/search" not in shown  # a viewer may not see the page


def test_a_proposed_tier_is_accepted_by_a_person(render: Open) -> None:
    values = {"port": "10690004", "month": "2025-10", "before": "ordinary", "after": "high", "state": "open"}
    evidence = [{"month": "2025-10", "complaints": 4, "messages": 1_000_000, "violations": 0}]
    render("ports", Role.OPERATOR, "en")
    with session.services().db.write() as connection:
        connection.execute(insert(schema.tier_proposals).values(**values, evidence=evidence, proposed_at=1))
    app = render("ports", Role.VIEWER, "en", section="tiers", proposal="10690004@2025-10")
    assert "4 complaints, 4.00 per million" in _shown(app)
    assert not app.button
    app = render("ports", Role.OPERATOR, "en", section="tiers", proposal="10690004@2025-10")
    app.button(key="proposal_accept").click().run()
    assert not app.exception
    with session.services().db.read() as connection:
        tier = connection.execute(select(schema.ports.c.tier).where(schema.ports.c.code == "10690004")).scalar()
    assert tier == "high"


def test_orders_about_numbers_are_filtered_by_the_address_and_sent_again(render: Open) -> None:
    app = render("numbers", Role.OPERATOR, "en", state="given_up")
    assert len(app.dataframe[0].value) == 1
    app = render("numbers", Role.OPERATOR, "zh", order="2")
    assert "多次未答复" in set(app.dataframe[0].value["状态"])
    app.button(key="order_retry").click().run()
    assert not app.exception
    t = schema.number_orders
    with session.services().db.read() as connection:
        assert connection.execute(select(t.c.state).where(t.c.id == 2)).scalar_one() == "open"


def test_a_number_is_restored_on_its_page_after_an_undertaking(render: Open) -> None:
    app = render("numbers", Role.OPERATOR, "en", section="restore")
    app.text_input(key="restore_number").set_value("13800138000")
    app.button[0].click().run()
    assert "a reason" in app.error[0].value
    app.text_input(key="restore_why").set_value("承诺书 17")
    app.button[0].click().run()
    assert "Restored" in app.success[0].value


def test_an_appeal_is_granted_by_another_person_with_an_answer(render: Open) -> None:
    values = {"about": "submission/s1-0", "text": "<b>our own shop</b>", "filed_at": 1, "state": "open"}
    render("ports", Role.SENIOR_REVIEWER, "en")
    with session.services().db.write() as connection:
        for n, against in ((1, "policy"), (2, Role.SENIOR_REVIEWER.value)):
            row = values | {"id": n, "about": f"submission/s1-{n}", "against": against}
            connection.execute(insert(schema.appeals).values(port="10690001", **row))
    app = render("ports", Role.SENIOR_REVIEWER, "en", section="appeals", appeal="2")
    assert "Another person decides" in _shown(app)  # the reader of this page decided first
    app = render("ports", Role.SENIOR_REVIEWER, "en", section="appeals", appeal="1")
    assert app.button(key="appeal_grant").disabled
    app.text_area(key="appeal_answer_1").set_value("send it again").run()
    app.button(key="appeal_grant").click().run()
    assert not app.exception
    assert not app.error
    with session.services().db.read() as connection:
        states = dict(connection.execute(select(schema.appeals.c.id, schema.appeals.c.state)).all())
    assert states == {1: "granted", 2: "open"}


def test_a_list_entry_from_a_case_is_filled_in_and_tried_before_it_is_added(render: Open) -> None:
    app = render("lists", Role.SENIOR_REVIEWER, "en", value="10690002", case="case-002")
    fields = {field.label: field.value for field in app.text_input}
    assert (fields["Value"], fields["Reason"]) == ("10690002", "Case case-002: ")
    next(b for b in app.button if b.label == "Try it on the last 24 hours").click().run()
    assert not app.error
    assert re.search(r"Last 24 hours until .*: \d+ fit, with \d+ messages. \w+ \d+", app.info[-1].value)
    assert "10690002" not in _shown(app), "nothing was added"


def test_a_word_from_a_case_is_filled_in_tried_and_saved_as_a_draft(render: Open, versions: tuple[str, str]) -> None:
    db = session.services().db
    chief = User("chief", Role.ADMINISTRATOR)
    policy_lifecycle.publish(db, chief, "word,category\n办证,other\n", Approval.TWO, 4, LivingKind.DICTIONARY)
    address = {"kind": "dictionary", "word": "额度已审批", "category": "loan", "case": "case-000"}
    app = render("policy", Role.POLICY_AUTHOR, "en", **address)
    assert next(field.value for field in app.text_input if field.label == "Word") == "额度已审批"
    next(b for b in app.button if b.label == "Try it on the last 24 hours").click().run()
    assert not app.error
    assert re.search(r": [1-9]\d* fit", app.info[-1].value)
    app.button(key="save_word").click().run()
    assert not app.error
    assert app.selectbox(key="dictionary_version").value == version_of("word,category\n办证,other\n额度已审批,loan\n")


def test_without_an_hour_of_decisions_no_rule_is_said_to_have_hit_nothing(
    render: Open, versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "report", lambda *args: replace(watched(*args), days=0))
    app = render("rules", Role.OPERATOR, "en")
    assert [metric.value for metric in app.metric] == ["1", "0", "–", "–"]
    assert "no complete hour" in _shown(app)
    assert "last 0 days" not in _shown(app)
    assert list(app.dataframe[0].value["Hits"]) == ["–"]
    app = render("rules", Role.OPERATOR, "en", show="unused")
    assert not app.dataframe
    assert "No rule is like that" not in _shown(app)
