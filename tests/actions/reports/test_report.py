"""Reports count what happened, to the message, and show no number and no text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, insert, select, update

from pipeline.actions.reports.definition import LANGUAGES, reports
from pipeline.actions.reports.period import Span, containing
from pipeline.actions.reports.report import find, make, write
from pipeline.actions.reports.scheduled import SETTLED_MS, write_due
from pipeline.bench.simulated_days import SimulatedDays
from pipeline.errors import AntispamError
from pipeline.events import CaseMember, Decision, DeliveryReport, Event, Outbound, Submission, Verdict
from pipeline.lake import delta
from pipeline.lake.message_facts import sms_parts
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import DECISIONS, Origin
from pipeline.rules.numbering.regions import region_of
from pipeline.rules.numbering.segments import Segments, shipped_segments
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.command import command
from tests.harness.console_data import CHIEF, register_ports
from tests.harness.lake import events as lake_events
from tests.harness.migrated import migrated_database

pytestmark = pytest.mark.long

ANALYST = User("anna", Role.ANALYST)
MONDAY = date(2026, 11, 23)
DAY = containing(Span.DAY, MONDAY, "Asia/Shanghai")
VERDICTS = {
    "release": "released",
    "hold": "held",
    "review": "reviewed",
    "reject": "rejected",
    "blacklist": "blacklisted",
    "undecided": "undecided",
}


@dataclass
class MadeDay:
    """A day of traffic and every record of it, by topic."""

    settings: Settings
    db: Database
    records: list[tuple[str, Event]] = field(default_factory=list)
    reports: Path = Path()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for _, event in self.records if isinstance(event, kind)]

    def table(self, name: str, report: str = "daily", language: str = "en") -> list[dict[str, str]]:
        path = self.reports / report / find_period(report) / language / f"{name}.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def final(self) -> Iterator[tuple[Submission, str, str, Decision]]:
        """Each message: submission, recipient, its verdict, the decision of its newest round."""
        newest: dict[tuple[str, str], Decision] = {}
        for decision in self.of(Decision):
            assert isinstance(decision, Decision)
            known = newest.get((decision.sender, decision.id))
            if decision.source != "record" and (known is None or decision.round > known.round):
                newest[decision.sender, decision.id] = decision
        for submission in self.of(Submission):
            assert isinstance(submission, Submission)
            decision = newest[submission.port, submission.id]
            excepted = {exception.recipient: exception.verdict for exception in decision.exceptions}
            for recipient in submission.recipients:
                yield submission, recipient, excepted.get(recipient, decision.verdict).value, decision


def find_period(report: str) -> str:
    return containing(find(report).span, MONDAY, DAY.zone).name


def total(rows: Iterable[dict[str, str]], column: str) -> int:
    return sum(int(row[column]) for row in rows)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeDay]:
    """A simulated Monday with every kind of incident, and its reports."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("day"), _env_file=None)
    migrated_database(settings).close()
    records: list[tuple[str, Event]] = []
    SimulatedDays(settings, watch=lambda topic, event: records.append((topic, event))).run(MONDAY, 1, 1300)
    db = migrated_database(settings)
    complaints = schema.complaints
    with db.write() as connection:  # a third is answered, one too late, and one is about no message
        of_day = complaints.c.complained_at < DAY.until  # some come after midnight
        some = connection.scalars(select(complaints.c.id).where(of_day).order_by(complaints.c.id)).all()
        answered = complaints.c.id.in_(some[::3])
        connection.execute(update(complaints).where(answered).values(answered_at=DAY.until, due_at=DAY.until + 1))
        connection.execute(update(complaints).where(complaints.c.id == some[0]).values(due_at=DAY.until - 1))
        connection.execute(update(complaints).where(complaints.c.id == some[1]).values(settled_by="ops", message=""))
    made = MadeDay(settings, db, records, settings.data_dir / "reports")
    for name in reports():
        write(make(db, settings, ANALYST, name, containing(find(name).span, MONDAY, DAY.zone)), made.reports)
    yield made
    db.close()


def test_messages_reconcile_with_the_events(day: MadeDay) -> None:
    expected = Counter(verdict for _, _, verdict, _ in day.final())
    assert len(expected) > 3  # the day has something to count
    assert {row["verdict"]: int(row["messages"]) for row in day.table("verdicts")} == expected
    for name in ("hours", "carriers", "regions", "provinces", "services"):
        rows = day.table(name)
        assert {v: total(rows, column) for v, column in VERDICTS.items() if total(rows, column)} == expected, name
        assert total(rows, "messages") == expected.total()
    by_region = Counter(region_of(recipient) or "" for _, recipient, *_ in day.final())
    assert {row["region"]: int(row["messages"]) for row in day.table("regions")} == by_region
    weekly = day.table("days", "weekly")
    assert [(row["day"], int(row["messages"])) for row in weekly] == [(MONDAY.isoformat(), expected.total())]
    shown = {row["figure"]: float(row["value"] or 0) for row in day.table("summary")}
    assert (shown["accepted"], shown["released"], shown["held"]) == (
        expected.total(), expected["release"], expected["hold"],
    )  # fmt: skip


def test_a_rule_counts_on_the_day_its_submission_was_accepted(tmp_path: Path) -> None:
    """A record counts on the day of its decision: the report of its own day may be written."""
    settings = Settings(data_dir=tmp_path, _env_file=None)
    late = replace(lake_events.decision("a", at=DAY.until + 1, port="10690001"), accepted_at=DAY.until - 1)
    record = replace(late, id="b", source="record", round=0)
    rows = DECISIONS.build(
        [late, record],
        [Origin("log", "decisions", 0, n, DAY.until) for n in range(2)],
        Privacy(settings.privacy_secret),
    )
    delta.append(delta.open_table(settings.lake_dir, DECISIONS), rows, {"log/0": None}, {"log/0": 2})
    matched = {}
    db = migrated_database(settings)
    for of in (MONDAY, MONDAY + timedelta(days=1)):
        made = make(db, settings, ANALYST, "daily", containing(Span.DAY, of, DAY.zone))
        path = next(path for path in write(made, tmp_path) if path.name == "rules.csv" and path.parent.name == "en")
        with path.open(encoding="utf-8-sig", newline="") as file:
            matched[of] = {row["rule"]: int(row["matched"]) for row in csv.DictReader(file) if row["matched"] != "0"}
    db.close()
    assert list(matched.values()) == [{"bulk-same-content": 1, "score": 1}] * 2


def test_usage_is_by_port_carrier_verdict_and_part(day: MadeDay) -> None:
    carrier_of = Segments(shipped_segments()).carrier_of
    messages: Counter[tuple[str, str, str]] = Counter()
    parts: Counter[tuple[str, str, str]] = Counter()
    for submission, recipient, verdict, decision in day.final():
        key = (decision.port, carrier_of(recipient) or "", verdict)
        messages[key] += 1
        parts[key] += sms_parts(submission) or 1
    counted: Counter[tuple[str, str, str]] = Counter()
    of_parts: Counter[tuple[str, str, str]] = Counter()
    for row in day.table("usage", "usage"):
        counted[row["port"], row["carrier"], row["verdict"]] += int(row["messages"])
        of_parts[row["port"], row["carrier"], row["verdict"]] += int(row["parts"])
    assert counted == messages
    assert of_parts == parts
    assert max(sms_parts(submission) or 1 for submission, *_ in day.final()) > 1


def test_what_carriers_got_and_reported_reconciles(day: MadeDay) -> None:
    sent: dict[tuple[str, str, str], tuple[str, str]] = {}
    for topic, event in day.records:
        if isinstance(event, Outbound):
            submission = event.submission
            for recipient in event.recipients:
                n = submission.recipients.index(recipient) + 1
                place = topic.split(".")[1], region_of(recipient) or ""
                sent[submission.port, f"{submission.id}/{n}", submission.content] = place
    told: dict[tuple[str, str], list[str]] = {}
    for event in day.of(DeliveryReport):
        assert isinstance(event, DeliveryReport)
        told.setdefault((event.port, event.id), []).append(event.status)
    rows = day.table("channels")
    assert {(row["channel"], row["region"]) for row in rows} == set(sent.values())
    for row in rows:
        names = [(port, message) for (port, message, _), at in sent.items() if at == (row["channel"], row["region"])]
        reported = [told[name] for name in names if name in told]
        assert int(row["messages"]) == len(names)
        assert int(row["reported"]) == len(reported)
        assert int(row["delivered"]) == sum(set(statuses) == {"DELIVRD"} for statuses in reported)
    assert any("UNDELIV" in statuses for statuses in told.values())


def test_cases_complaints_and_rules_reconcile(day: MadeDay) -> None:
    cases = schema.cases
    with day.db.read() as connection:
        found = select(cases.c.verdict, func.count().label("cases")).where(cases.c.state != "merged")
        decided = {row.verdict: row.cases for row in connection.execute(found.group_by(cases.c.verdict))}
        of_day = schema.complaints.c.complained_at < DAY.until
        complaints = connection.scalar(select(func.count()).select_from(schema.complaints).where(of_day))
    review = day.table("review")
    assert total(review, "cases") == sum(decided.values())
    assert total(review, "released") == decided[Verdict.RELEASE.value]
    members = [m for m in day.of(CaseMember) if isinstance(m, CaseMember)]
    waited = sum(len(m.recipients if m.recipients is not None else m.submission.recipients) for m in members)
    assert total(review, "messages") == waited
    by_source = day.table("complaints")
    assert total(by_source, "complaints") == complaints
    assert total(by_source, "answered") == -(-complaints // 3)
    assert total(by_source, "overdue") == 1
    assert total(day.table("complained"), "complaints") == complaints - 1
    assert total(day.table("handling"), "complaints") == complaints - 1
    (told,) = [row for row in day.table("summary") if row["figure"] == "complaints"]
    assert float(told["value"]) == complaints - 1
    first = [d for d in day.of(Decision) if isinstance(d, Decision) and d.round == 0]
    matched = Counter(reason.rule for decision in first for reason in decision.reasons)
    assert {row["rule"]: int(row["matched"]) for row in day.table("rules") if row["matched"] != "0"} == matched
    records = Counter(d.verdict.value for d in first if d.source == "record")
    assert {row["verdict"]: int(row["records"]) for row in day.table("records")} == records
    refused = sum(verdict in ("reject", "blacklist") for _, _, verdict, _ in day.final())
    assert total(day.table("units"), "by_rules") == refused
    assert all(float(row["share"] or 0) <= 1 for row in day.table("units"))


def test_the_same_report_twice_is_the_same_bytes(day: MadeDay, tmp_path: Path) -> None:
    for name in reports():
        again = write(
            make(day.db, day.settings, ANALYST, name, containing(find(name).span, MONDAY, DAY.zone)), tmp_path
        )
        for path in again:
            assert path.read_bytes() == (day.reports / path.relative_to(tmp_path)).read_bytes(), path


def test_no_report_has_a_number_or_a_text(day: MadeDay) -> None:
    numbers = {recipient for s in day.of(Submission) if isinstance(s, Submission) for recipient in s.recipients}
    with day.db.read() as connection:
        rows = connection.execute(select(schema.complaints.c.port, schema.complaints.c.recipient)).all()
    numbers |= {row.recipient for row in rows} | {row.port for row in rows if row.port.startswith(("13", "15", "18"))}
    texts = {s.content[4:24] for s in day.of(Submission) if isinstance(s, Submission) and len(s.content) > 24}
    assert len(numbers) > 500
    files = [path for path in day.reports.rglob("*") if path.is_file()]
    shown = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert len(files) > 60
    assert not [number for number in numbers if number in shown]
    assert not [text for text in texts if text in shown]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, _env_file=None)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    found = migrated_database(settings)
    yield found
    found.close()


def test_without_a_lake_every_report_says_that_there_was_nothing(settings: Settings, db: Database) -> None:
    for name in reports():
        made = make(db, settings, ANALYST, name, containing(find(name).span, MONDAY, DAY.zone))
        assert made.newest is None
        for path in write(made, settings.data_dir / "out"):
            if path.suffix == ".html":
                page = path.read_text(encoding="utf-8")
                assert ("没有这段时间的判定" in page) == (path.parent.name == "zh")
                assert ("no decision of this time" in page) == (path.parent.name == "en")


def test_a_hostile_name_stays_text(settings: Settings, db: Database) -> None:
    register_ports(db, DAY.since)
    entry = registry.port(db, "10690000")
    assert entry is not None
    with db.write() as connection:
        connection.execute(update(schema.ports).values(name="<script>alert(1)</script>"))
        connection.execute(update(schema.enterprises).values(name='=HYPERLINK("http://x")'))
        row = {"port": "10690000", "recipient": "13800138000", "complained_at": DAY.since + 5}
        connection.execute(insert(schema.complaints).values(id="c", source="<b>12321", **row))
    written = write(make(db, settings, ANALYST, "daily", DAY), settings.data_dir / "out")
    texts = {path: path.read_text(encoding="utf-8") for path in written}
    for path, text in texts.items():
        assert path.suffix == ".csv" or ("<script" not in text and "<b>" not in text)
    assert sum("&lt;script&gt;" in text for text in texts.values()) == len(LANGUAGES)
    (complained,) = (text for path, text in texts.items() if path.parts[-2:] == ("en", "complained.csv"))
    assert "'=HYPERLINK" in complained


def test_a_report_is_due_once_its_period_is_settled(settings: Settings, db: Database) -> None:
    from tests.harness.lake.rule_hits import decided, put

    put(settings, [decided(DAY.since + 1000)])
    assert write_due(db, settings, DAY.until + SETTLED_MS - 1) == []
    assert write_due(db, settings, DAY.until + SETTLED_MS) == ["daily/2026-11-23"]
    assert write_due(db, settings, DAY.until + SETTLED_MS) == []
    assert write_due(db, settings, DAY.until + 24 * 3_600_000 + SETTLED_MS) == []  # nothing was decided that day
    assert (settings.data_dir / "reports" / "daily" / "2026-11-23" / "zh" / "report.html").stat().st_size > 1000


def test_a_scope_and_an_unknown_report_are_refused(settings: Settings, db: Database) -> None:
    with pytest.raises(Forbidden, match="beyond the scope"):
        make(db, settings, User("anna", Role.ANALYST, {"enterprise": "e-south"}), "daily", DAY)
    with pytest.raises(AntispamError, match="no report 'dayly': daily, weekly, monthly, usage"):
        make(db, settings, CHIEF, "dayly", DAY)


def test_the_command_writes_files_and_names_them(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(settings.data_dir))
    done = command("report", "daily", "--for", "2026-11-23", "--out", settings.data_dir / "out")
    assert done.exit_code == 0
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert settings.data_dir / "out/daily/2026-11-23/zh/report.html" in paths
    assert command("report", "daily", "--for", "today").exit_code == 2
