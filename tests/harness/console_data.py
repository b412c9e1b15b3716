"""Invented data for the console: ports, cases, traffic in the lake, alerts, lists, accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, insert

from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.events import (
    Campaign,
    Category,
    Decision,
    Kind,
    Label,
    Reason,
    RecipientException,
    Span,
    Submission,
    Suppressed,
    SuppressedBy,
    Tier,
    Verdict,
)
from pipeline.lake import delta
from pipeline.lake.privacy import Privacy, mask_text
from pipeline.lake.rolling import roll_up
from pipeline.lake.tables import DECISIONS, SUBMISSIONS, TEXTS, TOLD, Origin, Table
from pipeline.rules.enterprises import EnterpriseEntry
from pipeline.rules.filings import Filing, FilingState
from pipeline.rules.ports import PortEntry
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.accounts.users import add_user, change_password, sign_in
from pipeline.store.database import Database
from pipeline.store.registry import enterprises, registry

CHIEF = User("chief", Role.ADMINISTRATOR)
PASSWORD = "correct horse battery"
PHONE = "13800138000"
CAMPAIGN = "c00000000000000aa"

# content, the words of the reason, category
CASES = (
    ("【惠民易贷】您的30万额度已审批，点击 http://loan.example.com/a8K2 提款，回T退订", "额度已审批", Category.LOAN),
    ("<b>尊贵会员</b>，澳\u200b门新葡京酬宾，加微信 xpj2026 <script>alert(1)</script>", "新葡京", Category.GAMBLING),
    ("【锦绣教育】王女士您好，暑期奥数冲刺班仅剩3席，电13800138000", "冲刺班", Category.EDUCATION),
    ("您的包裹因地址不详无法派送，请于今日18:00前登录 http://ems.example.net/x 更新", "无法派送", Category.PHISHING),
    ("【盛世地产】滨江壹号开盘在即，首付30万起，看房专车接送，详询4008001234", "开盘在即", Category.PROPERTY),
    ("高薪招聘打字员，日结300元，不限地点，加QQ 10001", "日结", Category.RECRUITMENT),
)


def register_ports(db: Database, now: int) -> None:
    """Add two enterprises in two provinces, and one port for each case."""
    with db.write() as connection:
        enterprises.put(
            connection,
            now,
            CHIEF.name,
            [
                EnterpriseEntry(code="e-south", name="南方通信", province="广东", city="深圳"),
                EnterpriseEntry(code="e-north", name="北方商贸", province="北京", city="北京"),
            ],
        )
    for n, (_, _, category) in enumerate(CASES):
        entry = PortEntry(
            code=f"1069000{n}",
            name=f"业务{n} {category}",
            enterprise="e-south" if n % 2 == 0 else "e-north",
            tier=(Tier.HIGH, Tier.ORDINARY, Tier.TRUSTED)[n % 3],
            kind=Kind.COMMERCIAL,
            signatures=("惠民易贷",),
            extensions=("01",),
            filings=(Filing(signature="惠民易贷", carrier="China Mobile", state=FilingState.FILED),),
        )
        registry.save_port(db, CHIEF, entry, now, "test")


def open_cases(db: Database, now: int, count: int = len(CASES)) -> list[str]:
    """Add cases of the first `count` contents, oldest first, with three members each; return their ids."""
    made = []
    with db.write() as connection:
        for n in range(count):
            content, _, category = CASES[n % len(CASES)]
            case, opened = f"case-{n:03}", now - (count - n) * 3 * MINUTE_MS
            connection.execute(
                insert(schema.cases).values(
                    id=case,
                    port=f"1069000{n % len(CASES)}",
                    fingerprint=f"f{n:04}",
                    state="open",
                    rule="bulk-unreviewed",
                    content=content,
                    score=0.5 + n % 5 / 10,
                    category=category.value,
                    submissions=3,
                    messages=153,
                    last_member=3,
                    opened_at=opened,
                    due_at=opened + 60 * MINUTE_MS,
                )
            )
            for member in range(3):
                text = content if member == 0 else content.replace("3", str(member + 5), 1)
                submission = _submission(n, member, text, opened)
                connection.execute(
                    insert(schema.case_members).values(
                        case=case,
                        number=member + 1,
                        port=submission.port,
                        submission=submission.id,
                        round=0,
                        messages=51,
                        body=msgspec.json.encode(submission),
                        recipients=list(submission.recipients),
                        channel="default",
                        added_at=opened,
                        exact=f"{n}/{member}",
                    )
                )
            made.append(case)
    return made


def fill_lake(settings: Settings, now: int, count: int = 60) -> None:
    """Add `count` decided submissions of the last hour with full texts. The first submissions belong to the cases."""
    privacy = Privacy(settings.privacy_secret)
    snoozed = Suppressed(
        rule="score-review",
        verdict=Verdict.REVIEW,
        cause=SuppressedBy.SNOOZE,
        scope="port/10690001",
        until=now + DAY_MS,
    )
    suppressed = (snoozed, Suppressed(rule="capped", verdict=Verdict.REJECT, cause=SuppressedBy.DAILY_CAP, scope="x"))
    submissions, decisions = [], []
    for n in range(count):
        content, word, category = CASES[n % len(CASES)]
        # The first decisions open the cases; the others are spread over the last hour.
        at = now - (len(CASES) - n) * 3 * MINUTE_MS if n < len(CASES) else now - (n * 53 % 59) * MINUTE_MS
        submission = _submission(n, 0, content, at)
        start = content.index(word)
        verdict = Verdict.REVIEW if n < len(CASES) else list(Verdict)[n * 7 % 11 % 5]
        submissions.append(submission)
        decisions.append(
            Decision(
                id=submission.id,
                round=0,
                verdict=verdict,
                score=0.5 + n % 5 / 10,
                label=Label.SPAM,
                exceptions=(RecipientException(recipient=PHONE, verdict=Verdict.REJECT, rule="unsubscribed"),),
                reasons=(
                    Reason(
                        rule="bulk-unreviewed",
                        verdict=verdict,
                        severity=verdict.severity,
                        message="51 messages of one content wait for review",
                        values={"same_content_5m": 51},
                    ),
                    Reason(
                        rule="prohibited-word",
                        verdict=Verdict.HOLD,
                        severity=1,
                        message=f"word of {category}",
                        values={},
                        spans=(Span(start=start, end=start + len(word), word=word, category=category, via="raw"),),
                    ),
                ),
                epoch=3,
                policy="p",
                dictionary="d",
                model="m",
                counters={"same_content_5m": 51},
                degraded=False,
                shadow=(),
                decided_at=at + 40 + n % 9,
                source="submission",
                port=submission.port,
                kind=Kind.COMMERCIAL,
                messages=3,
                fingerprint=f"f{n:04}",
                accepted_at=at,
                category=category,
                suppressed=suppressed,
                campaign=CAMPAIGN if n % len(CASES) == 0 else "",
            )
        )
    told = Campaign(
        id=CAMPAIGN,
        messages=1234,
        ports=4,
        senders=9,
        growth=20,
        first_seen=now - 60 * MINUTE_MS,
        last_seen=now,
        at=now,
        sketches=(),
    )
    kept = ((SUBMISSIONS, submissions), (DECISIONS, decisions), (TEXTS, submissions), (TOLD, [told]))
    for table, events in kept:
        _put(settings, table, events, now, privacy)
    roll_up(settings.lake_dir)


def fill_rest(db: Database, now: int) -> None:
    """Add alerts, deliveries, complaints, a hold and list entries."""
    with db.write() as connection:
        for n, level in enumerate(("critical", "severe", "warning", "warning")):
            connection.execute(
                insert(schema.alerts).values(
                    id=f"alert-{n}",
                    level=level,
                    rule="port-volume",
                    subject=f"1069000{n}",
                    message="4,213 messages in 5 minutes, limit 4,000",
                    key=f"port-volume/1069000{n}",
                    state="waiting",
                    about="port",
                    at=now - n * 7 * MINUTE_MS,
                    last_at=now - n * 7 * MINUTE_MS,
                    last_id=f"alert-{n}",
                    waits_since=now - n * 7 * MINUTE_MS,
                )
            )
        for n in range(40):
            state = ("delivered", "delivered", "delivered", "submitted", "failed", "maybe_sent")[n % 6]
            connection.execute(
                insert(schema.deliveries).values(
                    port=f"1069000{n % 6}",
                    submission=f"s{n}-0",
                    n=1,
                    part=1,
                    recipient=PHONE,
                    channel=("default", "unicom")[n % 2],
                    state=state,
                    status="DELIVRD" if state == "delivered" else "",
                    changed_at=now - n * MINUTE_MS,
                )
            )
        for n, (content, likeness) in enumerate(((CASES[1][0], 1.0), (CASES[2][0], 0.25))):
            connection.execute(
                insert(schema.complaint_candidates).values(
                    complaint="c1",
                    port="10690000",
                    number=n + 1,
                    message=f"s6-{n}",
                    recipient=PHONE,
                    content=mask_text(content),
                    likeness=likeness,
                    at=now - (n + 2) * DAY_MS,
                    sent=n == 0,
                )
            )
        for n in range(4):
            connection.execute(
                insert(schema.complaints).values(
                    id=f"c{n}",
                    port=f"1069000{n // 3}",
                    sender=f"1069000{n // 3}88",
                    recipient=PHONE,
                    source=("12321", "hotline", "mo", "7726")[n],
                    reference=f"A{n}",
                    content=CASES[n][0],
                    complained_at=now - n * DAY_MS,
                    received_at=now - n * MINUTE_MS,
                    due_at=now + (n - 1) * DAY_MS,
                    found=("matched", "doubtful", "unmatched", "waiting")[n],
                    doubt=("", "hidden_number", "no_message", "")[n],
                    message=("s0-0", "s6-0", "", "")[n],
                    campaign=CAMPAIGN if n == 0 else "",
                    blocked_at=now if n == 0 else None,
                )
            )
        month = f"{datetime.fromtimestamp(now / 1000, ZoneInfo('Asia/Shanghai')):%Y-%m}"
        connection.execute(
            insert(schema.port_months).values(port="10690000", month=month, messages=1_234_567, counted_at=now)
        )
        connection.execute(
            insert(schema.holds).values(
                port="10690000",
                submission="held",
                round=0,
                rule="grace",
                body=b"{}",
                held_at=now - 8000,
                due_at=now + 2000,
            )
        )
        connection.execute(
            insert(schema.submissions).values(
                port="10690000", id="waits", recipients=[PHONE], priority="express", accepted_at=now - 300
            )
        )
    with db.write() as connection:
        _fill_orders(connection, now)
    registry.add_list_entry(db, CHIEF, "black", PHONE, "投诉属实", None, now)
    registry.add_list_entry(db, CHIEF, "black", "10690099", "伪基站", now + DAY_MS, now)
    registry.suspend_port(db, CHIEF, "10690003", "五批被拒", "case-003", now)


def _fill_orders(connection: Connection, now: int) -> None:
    """Orders in each state, and a comparison."""
    made = (
        ("suspect", "boss", "confirmed", "add"),
        ("off", "hlr", "given_up", None),
        ("suspect", "boss", "refused", "remove"),
        ("alert", "China Unicom", "sent", None),
        ("suspect", "boss", "open", None),
    )
    for n, (kind, party, state, answer) in enumerate(made):
        connection.execute(
            insert(schema.number_orders).values(
                number=PHONE if n < 2 else f"1390013900{n}",
                kind=kind,
                party=party,
                state=state,
                rule="sender-volume",
                reason="号码 5 分钟内已发 51 条，超过 50 条",
                values={"sender_volume_5m": 51},
                asked_by="pipeline",
                asked_at=now - n * MINUTE_MS,
                tries=0 if state == "open" else n,
                due_at=now + MINUTE_MS if state == "sent" else None,
                file=None if state == "open" else 1,
                answer=answer,
                answer_reason="客服核实" if answer else "",
                changed_at=now - n * MINUTE_MS,
            )
        )
    row = {"party": "hlr", "digest": "d" * 64, "ours": 1204, "theirs": 1206, "missing": 1, "extra": 3, "at": now}
    connection.execute(insert(schema.reconciliations).values(**row, extra_numbers=[PHONE, "13900139001"]))


def sign_up(db: Database, name: str, role: Role, now: int, scope: dict[str, str] | None = None) -> str:
    """Add an account with PASSWORD; return the token of a session."""
    first = add_user(db, CHIEF, name, role, scope or {}, now)
    sign_in(db, name, first, now)
    return change_password(db, User(name, role, must_change=True), first, PASSWORD, now)


def _submission(n: int, member: int, content: str, at: int) -> Submission:
    return Submission(
        id=f"s{n}-{member}",
        port=f"1069000{n % len(CASES)}",
        recipients=(PHONE, "13900139000", "13700137000"),
        content=content,
        accepted_at=at,
    )


def _put(
    settings: Settings,
    table: Table,
    events: Sequence[Submission | Decision | Campaign],
    now: int,
    privacy: Privacy,
) -> None:
    origins = [Origin("log", "submissions.bulk", 0, n, now) for n in range(len(events))]
    rows = table.build(events, origins, privacy)
    delta.append(delta.open_table(settings.lake_dir, table), rows, {"a": None}, {"a": 0})
