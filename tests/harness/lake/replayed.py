"""A small lake for backtests: two ports and a number, decided live under a small policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.bench.live_lake import LiveLake
from pipeline.decision.candidate import candidate_value
from pipeline.durations import HOUR_MS, MINUTE_MS
from pipeline.events import Priority, Record, RecordKind, Submission
from pipeline.lake.backtest.change import Change
from pipeline.lake.backtest.period import JudgedMember
from pipeline.lake.backtest.reports import Report
from pipeline.lake.backtest.run import Question, backtest
from pipeline.settings import Settings

BEGIN = 1_795_000_000_000
POLICY = """\
counters:
  - {name: volume, event: submission, key: [port], window: 5m, description: messages of the port}
  - {name: sent, event: record, key: [sender], window: 5m, description: by a number}
  - {name: to_one, event: submission, key: [recipient], window: 5m, description: to one recipient from all ports}
campaign_from: {messages: 3}
rules:
  - {id: volume, event: submission, description: many, when: volume > 5, verdict: reject, severity: 60}
  - {id: pause, event: submission, description: wait, when: 'kind == "commercial" && round == 0',
     verdict: hold, hold: 10s}
  - {id: campaign, event: submission, description: variants, when: campaign_messages >= 6, verdict: review}
  - {id: bombed, event: submission, description: many ports, when: to_one > 2, verdict: reject, severity: 10}
  - {id: word, event: submission, description: a word, when: keywords > 0, verdict: review, severity: 40}
  - {id: many, event: record, description: many, when: sent > 2, verdict: blacklist}
"""
WORDS = "word,category,verdict\n发票,fake_document,review\n"
DISTINCT = (
    "包裹放在3号柜请尽快领取",
    "小区周四9点停水请提前储水",
    "图书馆闭馆时间调整为晚上8点",
    "您预约的5号窗口将于明天办理",
    "运动会报名表已发到6班班长处",
    "会议室改到二楼东侧的204房间",
    "本月电费共计75元已扣款成功",
    "体检报告已出请到1楼大厅自取",
)
NOTICE, COMMERCIAL, PHONE = "10690001", "10690002", "13800138000"
PORTS = [("port", NOTICE, f'{{"code": "{NOTICE}", "kind": "notice"}}')]
PORTS.append(("port", COMMERCIAL, f'{{"code": "{COMMERCIAL}", "kind": "commercial"}}'))


def lake(folder: Path) -> tuple[Settings, LiveLake]:
    """An empty lake, and live traffic with the configuration in force."""
    settings = Settings(data_dir=folder, _env_file=None)
    live = LiveLake(settings)
    live.configure([("policy", "policy.yaml", POLICY), ("dictionary", "dictionary.csv", WORDS), *PORTS], BEGIN)
    return settings, live


def submission(
    number: int, port: str = NOTICE, content: str = "", at: int | None = None, recipients: int = 1
) -> Submission:
    """Submission `s<number>`, a second after the one before."""
    return Submission(
        id=f"s{number}",
        port=port,
        recipients=tuple(f"1390013{number % 100:02}{n:02}" for n in range(recipients)),
        content=content or f"第{number}号柜的包裹已到，请凭取件码领取，谢谢您的光临",
        accepted_at=BEGIN + number * 1000 if at is None else at,
        priority=Priority.BULK if number % 2 else Priority.EXPRESS,
        batch="王女士的批次",
    )


def record(number: int, sender: str = PHONE) -> Record:
    """A record of a person's message."""
    at = BEGIN + number * 1000
    return Record(
        id=f"r{number}", kind=RecordKind.MO, sender=sender, recipient="13900139000", content="在吗", submitted_at=at
    )


def send(live: LiveLake, events: Sequence[Submission | Record]) -> None:
    """Decide the events one poll each, at the time they arrive."""
    for event in events:
        live.poll([event], event.accepted_at if isinstance(event, Submission) else event.submitted_at)


def mixed(live: LiveLake) -> None:
    """Traffic with everything that a decision may depend on: counters, holds, campaigns, words, lists, policies."""
    for n in range(12):
        send(live, [submission(n, NOTICE), submission(100 + n, COMMERCIAL, f"大促第{n}天全场低至五折欢迎光临本店选购")])
        send(live, [record(n), record(n, "13700137000") if n % 2 else record(n, "13700137001")])
    send(live, [submission(20, content="代开发票请联系我们的客服人员")])
    live.configure(
        [("list", "black", f"list,entity,value,reason,expires\nblack,sender,{NOTICE},test,\n")], BEGIN + 200_000
    )
    send(live, [submission(201)])
    live.configure([("list", "black", None), ("policy", "policy.yaml", POLICY.replace("> 5", "> 4"))], BEGIN + 210_000)
    for n in range(600, 612):
        send(live, [submission(n), submission(n + 100, COMMERCIAL, recipients=3)])
    trial = candidate_value(POLICY.replace("to_one > 2", "to_one > 1"), 50)
    live.configure([("candidate", "policy.yaml", trial)], BEGIN + 1_000_000)
    for n in range(1200, 1212):
        send(live, [submission(n, (NOTICE, COMMERCIAL)[n % 2], DISTINCT[n % 8] + "谢谢")])
    live.close(BEGIN + HOUR_MS)


def ask(
    settings: Settings,
    policy: str | None = None,
    sweep: tuple[str, tuple[str, ...]] | None = None,
    judged: Sequence[JudgedMember] = (),
    since: int = BEGIN,
    change: Change | None = None,
) -> Report:
    """A backtest of the hour from `since` on, in this process."""
    question = Question(since, since + 2 * HOUR_MS, policy, sweep=sweep, change=change)
    return backtest(settings, question, judged, BEGIN + MINUTE_MS, lambda *_: None, cores=1)
