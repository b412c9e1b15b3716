"""The page of channels: what senders tell, what is no longer true, and steering behind a confirmation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from pipeline.actions.senders.live import controls, states
from pipeline.actions.senders.live.controls import Control
from pipeline.actions.senders.live.link_figures import CodeCount, Figures
from pipeline.actions.senders.live.states import ChannelState, LinkState
from pipeline.actions.tracing import traces
from pipeline.actions.tracing.recorder import Noted
from pipeline.actions.tracing.subject import Subject
from pipeline.durations import HOUR_MS
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role
from pipeline.store.database import Database
from tests.dashboards.screens.conftest import Open
from tests.harness.console_data import CHIEF, register_ports
from tests.harness.migrated import migrated_database

PAGE = "channels"
NOW = int(time.time() * 1000)


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("ANTISPAM_CHANNELS", '["default", "one", "two"]')
    db = migrated_database(Settings(data_dir=tmp_path))
    yield db
    db.close()


def state(**link: object) -> ChannelState:
    values: dict[str, object] = {"number": 0, "up": True, "since": NOW, "in_flight": 3, "window": 16, "rate": 50.0}
    return ChannelState(
        off=False,
        waiting=7,
        total_rate=0.0,
        next=("one",),
        links=(LinkState(**(values | link)),),  # type: ignore[arg-type]
    )


def told(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.error)
    return "\n".join(str(each.value) for kind in kinds for each in kind).replace("\\", "")


def test_what_a_sender_tells_is_shown_with_its_units(db: Database, open_page: Open) -> None:
    figures = Figures(
        seconds=60.0,
        sent=120,
        accepted=110,
        refused=10,
        delivered=90,
        failed=10,
        answer_p50=0.02,
        answer_p95=1.5,
        errors=(CodeCount("result 9", 10, 1.0),),
    )
    states.tell(db, "a/1", {"default": state(figures=figures)}, NOW + HOUR_MS)  # news for as long as the test takes
    app = open_page()
    channels, links, errors = (frame.value for frame in app.dataframe)
    assert dict(channels.iloc[0])["state"] == "on"
    assert dict(links.iloc[0]) | {
        "state": "up",
        "window in use": "3 / 16",
        "rate": "2.0 parts/s",
        "limit": "50.0 parts/s",
        "accepted / refused": "110 / 10",
        "delivered of reported": "90 / 100 (90.0%)",
        "answer after p50 / p95": "20 ms / 2 s",
    } == dict(links.iloc[0])
    assert dict(errors.iloc[0])["the carrier's code"] == "result 9"
    assert "No sender tells of one, two." in told(app)


def test_a_dead_sender_does_not_look_alive(db: Database, open_page: Open) -> None:
    states.tell(db, "a/1", {"default": state(login_result=3, error=states.REFUSED, error_at=NOW)}, NOW - 60_000)
    app = open_page(Role.VIEWER, "zh")
    channels, links = (frame.value for frame in app.dataframe)
    assert dict(channels.iloc[0])["状态"] == "未上报"
    assert dict(channels.iloc[0])["在线连接"] == "–"
    assert "起未上报" in dict(links.iloc[0])["状态"]
    assert dict(links.iloc[0])["登录"] == "被拒：3"
    assert dict(links.iloc[0])["上次断开"].startswith("登录被拒 (")


def test_a_channel_is_steered_after_a_reason_and_put_back(db: Database, open_page: Open) -> None:
    app = open_page(channel="one")
    assert "Nothing is set" in told(app)
    app.toggle[0].set_value(False).run()
    app.number_input[0].set_value(20.0).run()
    app.checkbox[0].uncheck().run()
    app.multiselect[0].set_value(["two", "default"]).run()
    wanted = Control(off=True, total_rate=20.0, next=("two", "default"))
    assert app.button[0].disabled
    assert controls.in_force(db) == {}
    app.text_input[0].set_value("the carrier works on it").run()
    app.button[0].click().run()
    assert not app.exception
    assert controls.in_force(db) == {"one": wanted}
    app = open_page(channel="one")
    assert "at most 20 parts a second" in told(app)
    assert app.button[0].disabled
    app.text_input[0].set_value("it works again").run()
    app.button[0].click().run()
    assert controls.in_force(db) == {"one": Control()}


def test_weights_are_set_after_a_reason_and_shown(db: Database, open_page: Open) -> None:
    app = open_page(channel="one")
    whole = next(box for box in app.checkbox if box.label == "It sends all of its messages")
    whole.uncheck().run()
    weights = {each.label: each for each in app.number_input if each.label in ("default", "one", "two")}
    assert {name: each.value for name, each in weights.items()} == {"one": 1, "default": 0, "two": 0}
    weights["two"].set_value(3).run()
    app.text_input[0].set_value("try the new carrier").run()
    app.button[0].click().run()
    assert not app.exception
    assert controls.in_force(db) == {"one": Control(weights={"one": 1, "two": 3})}
    assert "shares: one 1, two 3" in told(open_page(channel="one"))


def test_a_viewer_sees_what_is_set_and_cannot_change_it(db: Database, open_page: Open) -> None:
    app = open_page(Role.VIEWER)
    assert "Nothing is set" in told(app)
    assert not app.toggle
    assert not app.button


def test_a_trace_is_started_and_its_frames_are_shown_without_numbers(db: Database, open_page: Open) -> None:
    register_ports(db, NOW)
    app = open_page(section="trace", subject="port", value="10690001")
    assert "No trace is here" in told(app)
    assert app.button("trace_start").disabled, "a reason is wanted first"
    app.text_input[1].set_value("they see no reports").run()
    app.button("trace_start").click().run()
    assert not app.exception
    (trace,) = traces.running(db, int(time.time() * 1000))
    assert (trace.subject, trace.value) == (Subject.PORT, "10690001")
    body = {"sequence": 7, "src_id": "10690001", "recipients": ["13800138000"], "text": "您好"}
    answer = {"sequence": 7, "msg_id": "000000000000004d", "result": 0}
    sent = Noted(trace=trace.id, at=NOW, channel="default", link=0, outgoing=True, command="Submit", body=body)
    answered = msgspec.structs.replace(sent, outgoing=False, command="SubmitResp", body=answer)
    traces.store(db, [sent, answered])
    app = open_page(section="trace", trace=str(trace.id), frame="0")
    listed = app.dataframe[1].value.to_csv()
    assert "138****8000" in listed
    assert "13800138000" not in listed
    assert "您好" not in listed
    assert "sequence 7 · src_id 10690001" in listed
    assert "sequence 7 · result 0 · msg_id 000000000000004d" in listed  # 0 says that it was accepted
    fields, own = app.dataframe[2].value, app.dataframe[3].value
    assert dict(zip(fields["field"], fields["value"], strict=True))["sequence"] == "7"
    assert list(own["frame"]) == ["Submit", "SubmitResp"]
    assert "Traces need the right" in told(open_page(Role.VIEWER, section="trace"))


def test_numbers_and_texts_of_a_running_trace_stay_shown_until_it_is_read_again(db: Database, open_page: Open) -> None:
    trace = traces.start(db, CHIEF, Subject.CHANNEL, "default", 10, "they see no reports", int(time.time() * 1000))
    body = {"sequence": 7, "src_id": "10690001", "recipients": ["13800138000"], "text": "您好"}
    sent = Noted(trace=trace, at=NOW, channel="default", link=0, outgoing=True, command="Submit", body=body)
    traces.store(db, [sent])
    app = open_page(Role.ADMINISTRATOR, section="trace", trace=str(trace), frame="0")
    app.text_input(f"trace_reason_{trace}").set_value("x").run()
    assert app.button(f"trace_full_{trace}").disabled
    app.text_input(f"trace_reason_{trace}").set_value("compare the texts").run()
    app.button(f"trace_full_{trace}").click().run()
    assert "您好" in app.dataframe[1].value.to_csv()
    traces.store(db, [sent])  # while the frames are read
    app.run()
    assert dict(app.dataframe[2].value.values)["text"] == "您好"
    app.button("trace_again").click().run()
    assert len(app.dataframe[1].value) == 2
    assert "您好" not in app.dataframe[1].value.to_csv()
    assert not app.exception
