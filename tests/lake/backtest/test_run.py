"""Backtests of small lakes: nothing changed, one number changed, a killed run, and what people judged."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import msgspec
import pytest

from pipeline.bench.live_lake import LiveLake
from pipeline.durations import HOUR_MS, MINUTE_MS
from pipeline.errors import AntispamError, UnavailableError
from pipeline.lake.backtest import replay, run
from pipeline.lake.backtest.change import Change
from pipeline.lake.backtest.period import JudgedMember
from pipeline.lake.backtest.run import Question, backtest
from pipeline.lake.backtest.tally import Changes, Count
from pipeline.lake.delta import locked
from pipeline.rules.clock.calendar import shipped_calendar_text
from pipeline.rules.policies.lifecycle import LivingKind
from pipeline.rules.versions import version_of
from pipeline.settings import Settings
from tests.harness.lake.replayed import BEGIN, COMMERCIAL, DISTINCT, NOTICE, POLICY, ask, lake, mixed, send, submission

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a lake with mixed traffic."""
    folder = tmp_path_factory.mktemp("mixed")
    mixed(lake(folder)[1])
    return folder


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a lake with 8 messages of a port within a minute; live rejects the last three of them."""
    folder = tmp_path_factory.mktemp("eight")
    live = lake(folder)[1]
    send(live, [submission(n, content=text) for n, text in enumerate(DISTINCT)])
    live.close(BEGIN + HOUR_MS)
    return folder


def copied(folder: Path, to: Path) -> Settings:
    shutil.copytree(folder, to, dirs_exist_ok=True)
    return Settings(data_dir=to, _env_file=None)


def test_what_was_in_force_decides_as_it_did_across_policies(full: Path, tmp_path: Path) -> None:
    tested = ask(copied(full, tmp_path)).tested[0]
    assert (tested.differences, tested.other_reasons, tested.skipped) == (0, 0, {})
    assert tested.total == Changes()
    assert tested.decisions > tested.verdicts["review>review"] > 0
    assert {pair.partition(">")[0] for pair in tested.verdicts} == {"release", "review", "reject", "blacklist"}


@pytest.mark.parametrize(("limit", "stopped", "released"), [(3, 2, 0), (5, 0, 0), (7, 0, 2)])
def test_a_changed_limit_stops_and_releases_what_lies_between(
    eight: Path, tmp_path: Path, limit: int, stopped: int, released: int
) -> None:
    report = ask(copied(eight, tmp_path), POLICY.replace("> 5", f"> {limit}"))
    (tested,) = report.tested
    assert tested.total == Changes(stopped=Count(stopped, stopped), released=Count(released, released))
    assert tested.differences == stopped + released
    changed = ["volume"] if tested.differences else []
    assert [group.name for group in tested.rules] == changed
    assert [group.name for group in tested.ports] == [NOTICE] * len(changed)
    assert report.lead_ms == 0


def test_a_sweep_tests_each_value_beside_the_policy(eight: Path, tmp_path: Path) -> None:
    report = ask(copied(eight, tmp_path), POLICY, ("volume", ("3", "7")))
    found = [(t.value, t.total.stopped.messages, t.total.released.messages) for t in report.tested]
    assert found == [(None, 0, 0), ("3", 2, 0), ("7", 0, 2)]


HEAD = "list,entity,value,reason,expires\n"
BILL = f'port: "{NOTICE}"\ntemplates: [{{id: bill, kind: commercial, text: "本月电费共计{{n:digits}}元已扣款成功"}}]\n'
CHANGES = {
    "black": (Change(LivingKind.LIST, "lists.csv", f"{HEAD}black,sender,{NOTICE},,\n"), Changes(stopped=Count(5, 5))),
    "nothing": (Change(LivingKind.LIST, "lists.csv", HEAD), Changes()),
    "word": (
        Change(LivingKind.DICTIONARY, "dictionary.csv", "word,category\n图书馆,other\n"),
        Changes(stopped=Count(1, 1)),
    ),
    "template": (Change(LivingKind.TEMPLATES, NOTICE, BILL.replace("本月", "第2月")), Changes()),
    "calendar": (Change(LivingKind.CALENDAR, "calendar.yaml", shipped_calendar_text()), Changes()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_file_is_tested_under_the_policies_that_were_in_force(eight: Path, tmp_path: Path, name: str) -> None:
    change, expected = CHANGES[name]
    report = ask(copied(eight, tmp_path), change=change)
    assert report.tested[0].total == expected
    assert report.change == f"{change.kind} {change.name} {version_of(change.text)}"


def test_what_a_list_stopped_is_released_without_it_and_a_template_gives_its_kind(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    live.configure([("list", "lists.csv", f"{HEAD}blocked,recipient,13900130000,,\n")], BEGIN - 1)
    send(live, [submission(0), submission(1, content=DISTINCT[6])])
    live.close(BEGIN + HOUR_MS)
    gone = ask(settings, change=Change(LivingKind.LIST, "lists.csv", HEAD)).tested[0].total
    assert gone == Changes(released=Count(1, 1))
    held = ask(settings, change=Change(LivingKind.TEMPLATES, NOTICE, BILL)).tested[0].total
    assert held == Changes(held=Count(1, 1))


def test_a_counter_with_another_definition_is_counted_again_from_before_the_period(eight: Path, tmp_path: Path) -> None:
    settings = copied(eight, tmp_path)
    longer = POLICY.replace("key: [port], window: 5m", "key: [port], window: 6m")
    report = ask(settings, longer, since=BEGIN + 4000)
    assert report.lead_ms >= 6 * MINUTE_MS
    assert (report.tested[0].decisions, report.tested[0].differences) == (4, 0)


def test_a_shared_counter_is_counted_again_across_ports(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    send(live, [submission(n, f"1069000{n % 3}", text) for n, text in enumerate(DISTINCT)])
    one = [
        msgspec.structs.replace(submission(20 + n, f"1069000{1 + n % 2}", text), recipients=("13900139000",))
        for n, text in enumerate(DISTINCT[:5])
    ]
    send(live, one)
    live.close(BEGIN + HOUR_MS)
    changed = POLICY.replace("key: [recipient], window: 5m", "key: [recipient], window: 6m")
    assert ask(settings, changed).tested[0].differences == 0
    tested = ask(settings, changed.replace("to_one > 2", "to_one > 4")).tested[0]
    # The third message to this recipient, and the fourth, which the commercial port sends.
    assert tested.total == Changes(released=Count(1, 1), held=Count(1, 1))
    assert {group.name for group in tested.rules} == {"bombed", "pause"}


def test_samples_are_masked(eight: Path, tmp_path: Path) -> None:
    report = ask(copied(eight, tmp_path), POLICY.replace("> 5", "> 3"))
    (first, second) = report.tested[0].samples
    assert (first.id, first.live, first.replayed, first.rule, second.id) == ("s3", "release", "reject", "volume", "s4")
    assert first.content == "您预约的*号窗口将于明天办理"


def test_precision_and_recall_count_cases(eight: Path, tmp_path: Path) -> None:
    members = [
        JudgedMember(case="c1", port=NOTICE, submission="s6", refused=True),
        JudgedMember(case="c1", port=NOTICE, submission="s7", refused=True),
        JudgedMember(case="c2", port=NOTICE, submission="s5", refused=True),
        JudgedMember(case="c3", port=NOTICE, submission="s7x", refused=True),
    ]
    judged = ask(copied(eight, tmp_path), POLICY.replace("> 5", "> 6"), judged=members).tested[0].judgements
    assert (judged.precision.hits, judged.precision.of) == (1, 1)
    assert (judged.recall.hits, judged.recall.of) == (1, 2)
    assert list(judged.rules) == ["volume"]


def test_a_held_submission_counts_by_its_last_round(tmp_path: Path) -> None:
    settings, live = lake(tmp_path)
    send(live, [submission(1, COMMERCIAL)])
    live.close(BEGIN + HOUR_MS)
    without = POLICY.replace("verdict: hold, hold: 10s", "verdict: release")
    tested = ask(settings, without).tested[0]
    assert tested.verdicts == {"release>release": 1}
    assert (tested.decisions, tested.differences) == (2, 1)
    assert tested.total == Changes()


def test_what_the_lake_cannot_replay_is_counted_apart(
    eight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "REPLAY_FORM", 0)
    tested = ask(copied(eight, tmp_path)).tested[0]
    assert (tested.decisions, tested.skipped) == (0, {"kept by a newer version": 8})


def test_a_configuration_that_the_lake_does_not_have_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, live = lake(tmp_path)
    with monkeypatch.context() as lost:
        lost.setattr(LiveLake, "_put", lambda *_: None)
        live.configure([("policy", "policy.yaml", POLICY.replace("> 5", "> 0"))], BEGIN)
    send(live, [submission(1)])
    live.close(BEGIN + HOUR_MS)
    tested = ask(settings).tested[0]
    assert (tested.decisions, tested.differences, tested.skipped) == (0, 0, {"another configuration": 1})


def _killed(folder: str) -> None:
    """Run a backtest and die after its first part."""
    settings = Settings(data_dir=Path(folder), _env_file=None)
    question = Question(BEGIN, BEGIN + 2 * HOUR_MS)
    backtest(settings, question, (), BEGIN, lambda *_: os.kill(os.getpid(), signal.SIGKILL), cores=1)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_other_parts(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = ask(copied(full, tmp_path / "a"))
    settings = copied(full, tmp_path / "b")
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(str(settings.data_dir),))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (folder,) = (settings.data_dir / "backtests").iterdir()
    parts = set(msgspec.json.decode((folder / "input.json").read_bytes(), type=dict[int, int]))
    (kept,) = (int(path.stem) for path in (folder / "parts").iterdir())
    replayed: set[int] = set()
    part = run._Worker.part

    def noted(worker: run._Worker, number: int) -> run.PartResult:
        replayed.add(number)
        return part(worker, number)

    monkeypatch.setattr(run._Worker, "part", noted)
    report = ask(settings)
    assert (report.key, report.tested) == (undisturbed.key, undisturbed.tested)
    assert len(parts) > 2
    assert replayed == parts - {kept}
    assert {path.name for path in folder.iterdir()} == {"report.json", "input.json", ".backtest.lock"}
    replayed.clear()
    assert ask(settings) == report
    assert not replayed


@pytest.mark.slow
def test_processes_give_the_same_report(full: Path, tmp_path: Path) -> None:
    one = ask(copied(full, tmp_path / "a"))
    question = Question(BEGIN, BEGIN + 2 * HOUR_MS)
    seen: list[tuple[int, int]] = []
    settings = copied(full, tmp_path / "b")
    two = backtest(settings, question, (), BEGIN, lambda done, rows: seen.append((done, rows)), cores=2)
    assert (two.key, two.tested) == (one.key, one.tested)
    assert seen[-1][0] == seen[-1][1] > 0


def test_only_one_process_runs_a_backtest(eight: Path, tmp_path: Path) -> None:
    settings = copied(eight, tmp_path)
    key = ask(settings).key
    with locked(settings.data_dir / "backtests" / key, "backtest"), pytest.raises(UnavailableError):
        ask(settings)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(BEGIN, BEGIN), "ends before it begins"),
        (Question(BEGIN - HOUR_MS, BEGIN - 1), "no decision of this period"),
        (Question(BEGIN, BEGIN + 1, sweep=("volume", ("1",))), "--sweep needs --policy"),
    ],
)
def test_a_question_without_answer_is_refused(eight: Path, tmp_path: Path, question: Question, message: str) -> None:
    with pytest.raises(AntispamError, match=message):
        backtest(copied(eight, tmp_path), question, (), BEGIN, lambda *_: None, cores=1)
