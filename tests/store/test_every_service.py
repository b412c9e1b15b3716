"""Every service that acts for a person asks for their right and keeps to their scope, or refuses a scope."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any, cast

import duckdb
import msgspec
import pytest
from sqlalchemy import delete, insert, select, update

import pipeline.actions
import pipeline.store
from pipeline.actions import drift, model_comparison, model_versions, opinions
from pipeline.actions.alerts import inbox, rules, silences
from pipeline.actions.complaints import answers, complaint_file, complaint_list, rates, settling
from pipeline.actions.conduct import appeals, tiers
from pipeline.actions.console import (
    audit_trail,
    backtests,
    beside,
    channel_figures,
    consent_file,
    epochs,
    list_file,
    overview,
    reveal,
    saved_queries,
    search,
    why,
)
from pipeline.actions.console import consents as console_consents
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.explore import filters, messages, subjects, sums
from pipeline.actions.opinions import Opinion
from pipeline.actions.orders import desk
from pipeline.actions.orders.parties import load_parties
from pipeline.actions.quality import checks, figures, own, reopening, shift
from pipeline.actions.replies import stopped
from pipeline.actions.reports import report as reports
from pipeline.actions.reports.period import Span, last_complete
from pipeline.actions.review import (
    assigning,
    bulk,
    campaign_review,
    case_list,
    claims,
    comments,
    labels,
    places,
    queue_access,
    separating,
)
from pipeline.actions.review.claims import CaseView
from pipeline.actions.senders.live import controls, states
from pipeline.actions.tracing import traces
from pipeline.actions.tracing.subject import Subject
from pipeline.actions.watch import report
from pipeline.decision.configuration import default_policy
from pipeline.errors import AntispamError
from pipeline.lake.privacy import Privacy
from pipeline.lake.views import connect
from pipeline.models.card import Card
from pipeline.models.classifier import WEIGHTS
from pipeline.rules.clock.months import month_of
from pipeline.rules.consents import Consent, ConsentKind
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import ListEntry
from pipeline.rules.policies.lifecycle import Approval, LivingKind
from pipeline.rules.snoozes import SnoozeKind
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts import api_keys, roles, users
from pipeline.store.accounts.roles import RIGHTS, Forbidden, Right, Role, User
from pipeline.store.database import Database, upsert
from pipeline.store.registry import (
    consents,
    import_configuration,
    policy_lifecycle,
    port_history,
    registry,
    snoozes,
)
from pipeline.store.registry.list_entries import Change
from tests.harness.console_data import CAMPAIGN, CHIEF, PHONE, fill_lake, fill_rest, open_cases, register_ports

pytestmark = pytest.mark.long

NOW = int(time() * 1000)
FILINGS = "port,signature,carrier,state,applied,decided,until\n{},惠民易贷,China Mobile,filed,,,"
HEAD = "list,entity,value,reason,expires\n"
RULE = "bulk-declared"
SILENCE = silences.Silence("", "", NOW, NOW + 1, False, "x")
WEEK = filters.Filters(NOW - 604_800_000, NOW)
SOUTH = {"enterprise": "e-south"}  # of console_data: the ports with an even number


@dataclass
class World:
    """A filled database and lake; `n` even is within SOUTH, odd is not."""

    db: Database
    settings: Settings
    lake: duckdb.DuckDBPyConnection
    privacy: Privacy

    def port(self, n: int) -> str:
        return f"1069000{n}"

    def enterprise(self, n: int) -> str:
        return "e-north" if n % 2 else "e-south"

    def found(self, n: int) -> search.Found:
        asked = search.Query(since=NOW - 3_600_000, until=NOW + 60_000, port=self.port(n), limit=5)
        return search.search(self.db, self.lake.cursor(), self.privacy, CHIEF, asked)[0]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    from tests.harness.migrated import migrated_database

    settings = Settings(data_dir=tmp_path_factory.mktemp("world"), _env_file=None)
    db = migrated_database(settings)
    register_ports(db, NOW)
    reply = {"subscriber": PHONE, "content": "低息贷款", "state": "stopped", "received_at": NOW, "settled_at": NOW}
    with db.write() as connection:
        for n in range(4):
            code = f"1069000{n}"
            connection.execute(insert(schema.whole_replies).values(id=n, port=code, to=code, **reply))
    open_cases(db, NOW)
    fill_lake(settings, NOW)
    fill_rest(db, NOW)
    with db.write() as connection:
        given_up = {
            "kind": "off",
            "party": "hlr",
            "state": "given_up",
            "asked_by": "x",
            "asked_at": NOW,
            "changed_at": NOW,
        }
        for number in ("13800138001", "13800138002"):
            connection.execute(insert(schema.number_orders).values(number=number, **given_up))
    users.add_user(db, CHIEF, "anna", Role.VIEWER, {}, NOW)
    for n in (0, 1):
        registry.add_list_entry(db, CHIEF, "unsubscribed", f"1069000{n}:{PHONE}", "", None, NOW)
        comments.comment(db, CHIEF, f"case-00{n}", "x", NOW)
    consents.record(db, CHIEF, [_agreed(0), _agreed(1)], NOW)
    policy_lifecycle.draft(db, CHIEF, "title: the chief's", "", NOW)
    registry.publish_configuration(db, CHIEF, "list", "extra", f"{HEAD}blocked,recipient,{PHONE},,\n", NOW)
    registry.publish_configuration(db, CHIEF, "policy", "policy.yaml", default_policy(), NOW)
    model_versions.try_out(db, settings, CHIEF, WEIGHTS, NOW)
    for n in (2, 3):
        snoozes.snooze(db, CHIEF, RULE, SnoozeKind.PORT, f"1069000{n}", "x", NOW + 60_000, NOW)
    yield World(db, settings, connect(settings), Privacy(settings.privacy_secret))
    db.close()


def _free(w: World, n: int) -> str:
    """An open case that nobody holds; nor does anybody another."""
    with w.db.write() as connection:
        connection.execute(update(schema.cases).values(claimed_by=None, lease_until=None, state="open", verdict=None))
    return f"case-00{n}"


def _held(w: World, user: User, n: int) -> str:
    """A case the user holds, even if it left their scope since; it is the only one."""
    case = _free(w, n)
    with w.db.write() as connection:
        held = update(schema.cases).where(schema.cases.c.id == case)
        connection.execute(held.values(claimed_by=user.name, lease_until=NOW + 1))
    return case


def _decided(w: World, user: User, n: int) -> str:
    case = f"case-00{n}"
    values = {"state": "decided", "verdict": "reject", "decided_by": user.name, "effective_at": NOW + 10_000}
    with w.db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id == case).values(values))
    return case


def _effective(w: World, user: User, n: int) -> str:
    """The case n, whose verdict by the user is in effect and carried out."""
    case = _decided(w, user, n)
    values = {"state": "effective", "overturned": False, "released": schema.cases.c.last_member}
    with w.db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id == case).values(values))
    return case


def _covered(w: World, user: User, n: int) -> Any:
    """The case n, which is of a campaign."""
    campaign = f"c{n:016x}"
    with w.db.write() as connection:
        values = {"state": "open", "claimed_by": None, "lease_until": None, "campaign": campaign}
        connection.execute(update(schema.cases).where(schema.cases.c.id == f"case-00{n}").values(values))
    return campaign_review.covered(w.db, user, [campaign], NOW)


def _decided_with(w: World, user: User, n: int) -> list[str]:
    """The case n was decided with the one two ports on, which is of the same enterprise."""
    campaign, ids = f"c0000000000000{n:02}", (f"case-00{n}", f"case-00{n + 2}")
    with w.db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id.in_(ids)).values(campaign=campaign))
        for case in ids:
            opinions.record(connection, case, Opinion.VERDICT, user.name, "reject", NOW)
    return campaign_review.decided_with(w.db, user, ids[0])


def _merged(w: World, n: int) -> str:
    """A case of the same port that was merged into the case n, without members."""
    values = {"state": "merged", "merged_into": _free(w, n), "merged_after": 9, "port": w.port(n)}
    with w.db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id == f"case-00{n + 4}").values(values))
    return f"case-00{n + 4}"


def _entry(w: World, n: int) -> Any:
    found = registry.port(w.db, w.port(n))
    assert found is not None
    return msgspec.structs.replace(found, name="other")


def _unsubscribed(w: World, n: int) -> str:
    """An entry that is on the list; how its value begins."""
    registry.add_list_entry(w.db, CHIEF, "unsubscribed", f"{w.port(n)}:{PHONE}", "", None, NOW)
    return f"{w.port(n)}:"


def _stopped_reply(w: World, n: int) -> int:
    """A subscriber's message to the port that is stopped."""
    with w.db.write() as connection:
        connection.execute(update(schema.whole_replies).values(state="stopped", settled_at=NOW))
    return n


def _listed(n: int) -> ListEntry:
    return ListEntry("unsubscribed", f"1069000{n}:{PHONE}", "", NEVER)


def _agreed(n: int) -> Consent:
    return Consent(f"port/1069000{n}", PHONE, ConsentKind.CONSENT, "form", NOW)


def _appealed(w: World, n: int) -> int:
    """An appeal of the port against a refusal, that waits for a decision."""
    values = {"about": "submission/s0-0", "text": "x", "against": "policy", "filed_at": NOW, "state": "open"}
    with w.db.write() as connection:
        connection.execute(delete(schema.appeals))
        connection.execute(insert(schema.appeals).values(id=n + 1, port=w.port(n), **values))
    return n + 1


def _proposed(w: World, n: int) -> str:
    """The month of a proposal for the port that waits for a decision."""
    month = "2025-10"
    with w.db.write() as connection:
        values = {"before": "high", "after": "trusted", "evidence": [], "state": "open", "proposed_at": NOW}
        connection.execute(delete(schema.tier_proposals))
        connection.execute(insert(schema.tier_proposals).values(port=w.port(n), month=month, **values))
    return month


def _consent_file(w: World, n: int) -> Path:
    path = w.settings.data_dir / f"consents-{n}.csv"
    path.write_text(f"recipient,port,kind,source,given_at\n{PHONE},{w.port(n)},consent,form,{NOW}\n")
    return path


def _labelled(w: World) -> Path:
    path = w.settings.data_dir / "labelled.jsonl"
    lines = (f'{{"text": "{n}", "label": "{label}", "lang": "zh"}}' for label in ("spam", "ham") for n in range(50))
    path.write_text("\n".join(lines))
    return path


def _on_trial(w: World, user: User) -> User:
    """The user; a model is on trial if the right to promote it is there."""
    if R.APPROVE_POLICY in RIGHTS[user.role]:
        model_versions.try_out(w.db, w.settings, CHIEF, WEIGHTS, NOW)
    return user


def _complaint_file(w: World, n: int) -> Path:
    path = w.settings.data_dir / f"complaints-{n}.csv"
    path.write_text(f"recipient,sender,kind,at\n{PHONE},{w.port(n)},spam,{NOW}\n")
    return path


def _doubtful(n: int) -> str:
    """A complaint about the port n; that of the port 0 is doubtful."""
    return ("c1", "c3")[n]


def _change(n: int) -> Change:
    return Change(None, _listed(n))


def _drafted(w: World) -> str:
    """The version that the chief wrote."""
    return next(str(row.version) for row in policy_lifecycle.versions(w.db, CHIEF) if row.author == CHIEF.name)


CHECK = checks.Check(cast(CaseView, None), Opinion.GOLDEN, "golden", "reject", "anna")


def _golden(w: World, user: User, n: int) -> str:
    """The only golden case is of the port n, and the user is due for a check."""
    case = f"case-00{n}"
    values = {"case": case, "port": w.port(n), "content": "x", "rule": "r", "submissions": 1, "messages": 1}
    said = {"case": "gone", "kind": "verdict", "reviewer": user.name, "verdict": "reject", "at": NOW}
    with w.db.write() as connection:
        connection.execute(delete(schema.golden_cases))
        connection.execute(delete(schema.opinions))
        made = {"verdict": "reject", "made_by": "anna", "made_at": NOW}
        connection.execute(insert(schema.golden_cases).values(**values, **made))
        connection.execute(insert(schema.opinions), [said] * checks.CHECK_EVERY)
    return case


def _no_golden(w: World, case: str) -> str:
    with w.db.write() as connection:
        connection.execute(delete(schema.golden_cases))
    return case


def _answered(w: World, user: User) -> checks.Check:
    said = {"case": "golden", "kind": "golden", "reviewer": user.name, "verdict": "reject", "at": NOW}
    with w.db.write() as connection:
        connection.execute(insert(schema.opinions).values(said))
    return CHECK


def _said(w: World, user: User, n: int) -> str:
    """The user's only verdict is on the case n."""
    case = _decided(w, user, n)
    said = {"case": case, "kind": "verdict", "reviewer": user.name, "verdict": "reject", "at": NOW}
    with w.db.write() as connection:
        connection.execute(delete(schema.opinions))
        connection.execute(insert(schema.opinions).values(said))
    return case


def _alerted(w: World, n: int, state: str = "waiting") -> str:
    with w.db.write() as connection:
        connection.execute(update(schema.alerts).where(schema.alerts.c.id == f"alert-{n}").values(state=state))
    return f"alert-{n}"


def _changed_rule(w: World) -> str:
    """A shipped rule that the operator has changed."""
    changed = {"measure": "volume", "above": True, "threshold": 1, "granularity": "day", "level": "severe"}
    own = {"id": rules.SHIPPED[0].id, "active": True, "changed_by": "anna", "changed_at": NOW}
    with w.db.write() as connection:
        connection.execute(upsert(connection, schema.alert_rules).values(**changed, **own).on_conflict_do_nothing())
    return rules.SHIPPED[0].id


def _silence(w: World) -> int:
    times = {"begins_at": NOW, "ends_at": NOW + 1, "daily": False, "made_by": "anna", "made_at": NOW}
    with w.db.write() as connection:
        saved = upsert(connection, schema.alert_silences).values(id=1, reason="x", **times)
        connection.execute(saved.on_conflict_do_nothing())
    return 1


Run = Callable[[World, User, int], Any]
R = Right
# What happens outside the scope: it refuses, it hides, or it is for all ports and refuses every scope.
REFUSES, HIDES, FOR_ALL, OF_NO_PORT = "refuses", "hides", "for all", "of no port"
CALLS: dict[str, tuple[Right, str, Run]] = {
    "audit_trail.audit_rows": (
        R.ADMINISTER,
        FOR_ALL,
        lambda w, u, n: audit_trail.audit_rows(w.db, u, audit_trail.Wanted(0, NOW)),
    ),
    "channel_figures.figures": (R.SEE_TRAFFIC, OF_NO_PORT, lambda w, u, n: channel_figures.figures(w.db, u, 0)),
    "states.channel_states": (R.SEE_TRAFFIC, OF_NO_PORT, lambda w, u, n: states.channel_states(w.db, u, NOW)),
    "controls.controls": (R.SEE_TRAFFIC, OF_NO_PORT, lambda w, u, n: controls.controls(w.db, u)),
    "controls.steer": (
        R.CONTROL_CHANNELS,
        FOR_ALL,
        lambda w, u, n: controls.steer(w.db, u, ["a"], "a", controls.Control(off=True), None, "reason", NOW),
    ),
    "controls.undo": (R.CONTROL_CHANNELS, FOR_ALL, lambda w, u, n: controls.undo(w.db, u, "a", NOW, "reason", NOW)),
    "traces.start": (
        R.CONTROL_CHANNELS,
        FOR_ALL,
        lambda w, u, n: traces.start(w.db, u, Subject.PORT, w.port(n), 1, "reason", NOW),
    ),
    "traces.stop": (R.CONTROL_CHANNELS, FOR_ALL, lambda w, u, n: traces.stop(w.db, u, 1, NOW)),
    "traces.traces": (R.CONTROL_CHANNELS, FOR_ALL, lambda w, u, n: traces.traces(w.db, u)),
    "traces.frames": (R.CONTROL_CHANNELS, FOR_ALL, lambda w, u, n: traces.frames(w.db, u, 1)),
    "traces.full_frames": (
        R.ADMINISTER,  # no other role has both CONTROL_CHANNELS and SEE_FULL_TEXT
        FOR_ALL,
        lambda w, u, n: traces.full_frames(w.db, u, 1, "reason", NOW),
    ),
    "overview.standing": (R.SEE_TRAFFIC, OF_NO_PORT, lambda w, u, n: overview.standing(w.db, u, NOW)),
    "overview.traffic": (
        R.SEE_TRAFFIC,
        OF_NO_PORT,
        lambda w, u, n: overview.traffic(w.db, w.lake.cursor(), u, NOW - 3_600_000, NOW, 60_000),
    ),
    "epochs.epochs": (R.SEARCH, OF_NO_PORT, lambda w, u, n: epochs.epochs(w.settings.data_dir, u)),
    "search.search": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: search.search(
            w.db, w.lake.cursor(), w.privacy, u, search.Query(NOW - 3_600_000, NOW + 60_000, port=w.port(n))
        ),
    ),
    "search.totals": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: (
            search.totals(
                w.db, w.lake.cursor(), w.privacy, u, search.Query(NOW - 3_600_000, NOW + 60_000, port=w.port(n))
            )
            != (0, 0)
        ),
    ),
    "search.grouped": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: search.grouped(
            w.db, w.lake.cursor(), w.privacy, u, search.Query(NOW - 3_600_000, NOW + 60_000, port=w.port(n)), "rule"
        ),
    ),
    "search.over_time": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: search.over_time(
            w.db, w.lake.cursor(), w.privacy, u, search.Query(NOW - 3_600_000, NOW + 60_000, port=w.port(n))
        )[1],
    ),
    "backtests.finished": (R.SEARCH, FOR_ALL, lambda w, u, n: backtests.finished(w.settings, u)),
    "search.parts_of_score": (R.SEARCH, OF_NO_PORT, lambda w, u, n: search.parts_of_score(w.db, u, "x", "m")),
    "search.message_states": (
        R.SEARCH,
        REFUSES,
        lambda w, u, n: search.message_states(w.db, u, w.port(n), w.port(n), f"s{n}-0"),
    ),
    "search.reviewed": (R.SEARCH, REFUSES, lambda w, u, n: search.reviewed(w.db, u, w.port(n), w.port(n), f"s{n}-0")),
    "reveal.reveal": (
        R.SEE_FULL_TEXT,
        REFUSES,
        lambda w, u, n: reveal.reveal(w.db, w.settings, u, w.found(n).position, "reason", NOW),
    ),
    "why.why": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: why.why(w.db, w.lake.cursor(), w.privacy, u, [f"case-00{n}"], Sentences(w.db, "en")),
    ),
    "claims.claim": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: _free(w, n) and [c for c in claims.claim(w.db, u, NOW, 99) if c.port == w.port(n)],
    ),
    "claims.heartbeat": (R.REVIEW, HIDES, lambda w, u, n: _held(w, u, n) and claims.heartbeat(w.db, u, NOW)),
    "claims.give_back": (R.REVIEW, OF_NO_PORT, lambda w, u, n: claims.give_back(w.db, u, [_held(w, u, n)], NOW)),
    "claims.skip": (R.REVIEW, REFUSES, lambda w, u, n: claims.skip(w.db, u, _held(w, u, n), NOW)),
    "claims.decide": (
        R.REVIEW,
        REFUSES,
        lambda w, u, n: claims.decide(w.db, u, _held(w, u, n), "reject", "", NOW, 10**6),
    ),
    "campaign_review.covered": (R.REVIEW_SECOND, HIDES, lambda w, u, n: _covered(w, u, n)),
    "beside.port_facts": (R.REVIEW, HIDES, lambda w, u, n: beside.port_facts(w.db, u, [w.port(n)], NOW)),
    "beside.rule_texts": (R.REVIEW, OF_NO_PORT, lambda w, u, n: beside.rule_texts(w.db, u, [RULE])),
    "campaign_review.decided_with": (R.REVIEW_SECOND, HIDES, lambda w, u, n: _decided_with(w, u, n)),
    "campaign_review.decide_campaign": (
        R.REVIEW_SECOND,
        REFUSES,
        lambda w, u, n: campaign_review.decide_campaign(w.db, u, _held(w, u, n), "reject", "", NOW, 10**6, []),
    ),
    "claims.undo": (R.REVIEW, REFUSES, lambda w, u, n: claims.undo(w.db, u, _decided(w, u, n), NOW)),
    "claims.case_view": (R.REVIEW, REFUSES, lambda w, u, n: claims.case_view(w.db, u, f"case-00{n}", NOW)),
    "case_list.list_cases": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: _held(w, u, n) and [c for c in case_list.list_cases(w.db, u, NOW).cases if c.port == w.port(n)],
    ),
    "places.waiting": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: _free(w, n) and [r for r in places.waiting(w.db, u, NOW, "port") if r.value == w.port(n)],
    ),
    "places.here": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: _free(w, n) and places.here(w.db, u, NOW, {"port": w.port(n)}).cases,
    ),
    "case_list.find_case": (
        R.REVIEW,
        REFUSES,
        lambda w, u, n: case_list.find_case(w.db, u, NOW, f"case-00{n}"),
    ),
    "assigning.reviewers": (R.REVIEW, OF_NO_PORT, lambda w, u, n: assigning.reviewers(w.db, u)),
    "assigning.assign": (
        R.REVIEW,
        REFUSES,
        lambda w, u, n: assigning.assign(w.db, u, [_held(w, u, n)], None, NOW),
    ),
    "comments.comment": (R.REVIEW, REFUSES, lambda w, u, n: comments.comment(w.db, u, f"case-00{n}", "x", NOW)),
    "comments.comments": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: comments.comments(w.db, u, f"case-00{n}"),
    ),
    "bulk.weigh": (R.REVIEW, HIDES, lambda w, u, n: bulk.weigh(w.db, u, [_free(w, n)], NOW).cases),
    "bulk.decide_some": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: not bulk.decide_some(w.db, u, {_free(w, n): 10**6}, "reject", "", NOW),
    ),
    "bulk.undo_some": (R.REVIEW, HIDES, lambda w, u, n: not bulk.undo_some(w.db, u, [_decided(w, u, n)], NOW)),
    "checks.next_check": (R.REVIEW, HIDES, lambda w, u, n: _golden(w, u, n) and checks.next_check(w.db, u, NOW)),
    "checks.answer": (R.REVIEW, OF_NO_PORT, lambda w, u, n: checks.answer(w.db, u, CHECK, "reject", None, NOW)),
    "checks.take_back": (
        R.REVIEW,
        OF_NO_PORT,
        lambda w, u, n: checks.take_back(w.db, u, _answered(w, u), NOW),
    ),
    "checks.make_golden": (
        R.REVIEW_SECOND,
        REFUSES,
        lambda w, u, n: checks.make_golden(w.db, u, _no_golden(w, _decided(w, CHIEF, n)), NOW),
    ),
    "checks.drop_golden": (
        R.REVIEW_SECOND,
        REFUSES,
        lambda w, u, n: checks.drop_golden(w.db, u, _golden(w, u, n), NOW),
    ),
    "checks.golden_cases": (
        R.REVIEW_SECOND,
        HIDES,
        lambda w, u, n: _golden(w, u, n) and [g for g in checks.golden_cases(w.db, u) if g.port == w.port(n)],
    ),
    "figures.reviewers": (R.REVIEW_SECOND, FOR_ALL, lambda w, u, n: figures.reviewers(w.db, u, 0, NOW)),
    "shift.shift": (R.REVIEW, OF_NO_PORT, lambda w, u, n: shift.shift(w.db, u, NOW)),
    "own.own_verdicts": (
        R.REVIEW,
        HIDES,
        lambda w, u, n: _said(w, u, n) and own.own_verdicts(w.db, u, NOW, 0),
    ),
    "reopening.reopening": (R.REVIEW, REFUSES, lambda w, u, n: reopening.reopening(w.db, u, _effective(w, u, n))),
    "reopening.reopen": (
        R.REVIEW,
        REFUSES,
        lambda w, u, n: reopening.reopen(w.db, u, _effective(w, u, n), "a mistake", NOW),
    ),
    "separating.merged_cases": (
        R.REVIEW_SECOND,
        HIDES,
        lambda w, u, n: _merged(w, n) and separating.merged_cases(w.db, u, f"case-00{n}"),
    ),
    "separating.separate": (
        R.REVIEW_SECOND,
        REFUSES,
        lambda w, u, n: separating.separate(w.db, u, f"case-00{n}", [_merged(w, n)], NOW),
    ),
    "queue_access.set_queues": (
        R.ADMINISTER,
        FOR_ALL,
        lambda w, u, n: queue_access.set_queues(w.db, u, "anna", [], NOW),
    ),
    "claims.in_hand": (R.REVIEW, HIDES, lambda w, u, n: {_held(w, u, n)} & claims.in_hand(w.db, u, NOW)),
    "claims.stands": (R.REVIEW, HIDES, lambda w, u, n: claims.stands(w.db, u, _decided(w, u, n), "reject")),
    "claims.stopped_ports": (R.REVIEW, HIDES, lambda w, u, n: claims.stopped_ports(w.db, u, _stopped(w, n))),
    "labels.labels": (R.ADMINISTER, FOR_ALL, lambda w, u, n: labels.labels(w.db, u, 0, NOW)),
    "stopped.stopped": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: [one for one in stopped.stopped(w.db, u) if one.id == _stopped_reply(w, n)],
    ),
    "stopped.bring_stopped": (
        R.REVIEW,
        REFUSES,
        lambda w, u, n: stopped.bring_stopped(w.db, u, _stopped_reply(w, n), "no spam", NOW),
    ),
    "settling.possible": (R.SEARCH, REFUSES, lambda w, u, n: settling.possible(w.db, u, _doubtful(n), w.port(n))),
    "settling.settle": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: settling.settle(w.db, u, _doubtful(n), w.port(n), None, NOW),
    ),
    "complaint_list.complaints": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: complaint_list.complaints(w.db, u, complaint_list.Filters(port=w.port(n)), NOW),
    ),
    "complaint_list.counts": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: sum(complaint_list.counts(w.db, u, complaint_list.Filters(port=w.port(n)), NOW).values()),
    ),
    "rates.rates": (
        R.SEE_TRAFFIC,
        HIDES,
        lambda w, u, n: [r for r in rates.rates(w.db, u, "port", month_of(NOW, "UTC"), "UTC") if r.name == w.port(n)],
    ),
    "answers.answer": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: answers.answer(w.db, u, "mo", w.settings, NOW)),
    "answers.answer_file": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: answers.answer_file(w.db, u, "mo", w.settings, NOW)),
    "answers.answered": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: answers.answered(w.db, u, "mo", w.settings)),
    "consents.record": (R.EDIT_LISTS, REFUSES, lambda w, u, n: consents.record(w.db, u, [_agreed(n)], NOW)),
    "consents.history": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: consents.history(w.db, u, PHONE)),
    "consents.check": (R.EDIT_LISTS, REFUSES, lambda w, u, n: consents.check(w.db, u, [_agreed(n)])),
    "consents.counts": (
        R.EDIT_LISTS,
        HIDES,
        lambda w, u, n: consents.counts(w.db, u, NOW, f"port/{w.port(n)}"),
    ),
    "consents.record_one": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: console_consents.record_one(w.db, u, _agreed(n), NOW),
    ),
    "consents.take_back": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: console_consents.take_back(w.db, u, _agreed(n).scope, PHONE, "", NOW),
    ),
    "consents.proof": (
        R.SEE_FULL_TEXT,
        FOR_ALL,
        lambda w, u, n: console_consents.proof(w.db, u, PHONE, "a complaint", NOW),
    ),
    "complaint_file.import_complaints": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: complaint_file.import_complaints(
            w.db, u, _complaint_file(w, n), w.settings.data_dir / "bad", "hotline", w.settings
        ),
    ),
    "complaint_file.read_upload": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: complaint_file.read_upload(u, _complaint_file(w, n).read_bytes(), "hotline", w.settings),
    ),
    "complaint_file.take_lines": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: complaint_file.take_lines(w.db, u, [], w.settings),
    ),
    "consent_file.import_consents": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: consent_file.import_consents(w.db, u, _consent_file(w, n), w.settings.data_dir / "bad"),
    ),
    "consent_file.read_upload": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: consent_file.read_upload(w.db, u, _consent_file(w, n).read_bytes()),
    ),
    "consent_file.record_lines": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: consent_file.record_lines(w.db, u, [consent_file.Line(2, {}, _agreed(n))]),
    ),
    "list_file.add_all": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: list_file.add_all(w.db, u, [_listed(n)], NOW),
    ),
    "list_file.undo_all": (R.EDIT_LISTS, REFUSES, lambda w, u, n: list_file.undo_all(w.db, u, [_change(n)], NOW)),
    "model_comparison.compare": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: model_comparison.compare(w.db, u, WEIGHTS, WEIGHTS, [_labelled(w)], NOW),
    ),
    "model_versions.promote": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: model_versions.promote(w.db, _on_trial(w, u), Approval.ONE, NOW),
    ),
    "model_versions.publish": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: model_versions.publish(w.db, w.settings, u, WEIGHTS, Approval.ONE, NOW),
    ),
    "model_versions.try_out": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: model_versions.try_out(w.db, w.settings, u, WEIGHTS, NOW),
    ),
    "inbox.list_alerts": (
        R.SEE_TRAFFIC,
        HIDES,
        lambda w, u, n: inbox.list_alerts(w.db, u, NOW, inbox.Wanted("all", subject=w.port(n)))[0],
    ),
    "inbox.find_alert": (R.SEE_TRAFFIC, REFUSES, lambda w, u, n: inbox.find_alert(w.db, u, _alerted(w, n))),
    "inbox.operators": (R.ACKNOWLEDGE_ALERTS, OF_NO_PORT, lambda w, u, n: inbox.operators(w.db, u)),
    "inbox.take": (R.ACKNOWLEDGE_ALERTS, REFUSES, lambda w, u, n: inbox.take(w.db, u, [_alerted(w, n)], NOW)),
    "inbox.give_back": (
        R.ACKNOWLEDGE_ALERTS,
        REFUSES,
        lambda w, u, n: inbox.give_back(w.db, u, [_alerted(w, n, "taken")], NOW),
    ),
    "inbox.snooze": (
        R.ACKNOWLEDGE_ALERTS,
        REFUSES,
        lambda w, u, n: inbox.snooze(w.db, u, [_alerted(w, n)], NOW + 1, NOW),
    ),
    "inbox.note": (R.ACKNOWLEDGE_ALERTS, REFUSES, lambda w, u, n: inbox.note(w.db, u, _alerted(w, n), "x", NOW)),
    "inbox.close": (R.ACKNOWLEDGE_ALERTS, REFUSES, lambda w, u, n: inbox.close(w.db, u, [_alerted(w, n)], "", NOW)),
    "inbox.reopen": (
        R.ACKNOWLEDGE_ALERTS,
        REFUSES,
        lambda w, u, n: inbox.reopen(w.db, u, [_alerted(w, n, "closed")], NOW),
    ),
    "rules.list_rules": (R.SEE_TRAFFIC, OF_NO_PORT, lambda w, u, n: rules.list_rules(w.db, u)),
    "rules.save_rule": (R.ACKNOWLEDGE_ALERTS, FOR_ALL, lambda w, u, n: rules.save_rule(w.db, u, rules.SHIPPED[0], NOW)),
    "rules.remove_rule": (
        R.ACKNOWLEDGE_ALERTS,
        FOR_ALL,
        lambda w, u, n: rules.remove_rule(w.db, u, _changed_rule(w), NOW),
    ),
    "silences.list_silences": (R.SEE_TRAFFIC, OF_NO_PORT, lambda w, u, n: silences.list_silences(w.db, u, NOW)),
    "silences.add_silence": (
        R.ACKNOWLEDGE_ALERTS,
        FOR_ALL,
        lambda w, u, n: silences.add_silence(w.db, u, SILENCE, NOW),
    ),
    "silences.remove_silence": (
        R.ACKNOWLEDGE_ALERTS,
        FOR_ALL,
        lambda w, u, n: silences.remove_silence(w.db, u, _silence(w), NOW),
    ),
    "api_keys.create": (R.ADMINISTER, FOR_ALL, lambda w, u, n: api_keys.create(w.db, u, w.port(n), "", NOW)),
    "api_keys.revoke": (R.ADMINISTER, FOR_ALL, lambda w, u, n: api_keys.revoke(w.db, u, "0" * 12, NOW)),
    "api_keys.keys": (R.ADMINISTER, FOR_ALL, lambda w, u, n: api_keys.keys(w.db, u)),
    "import_configuration.add": (R.ADMINISTER, FOR_ALL, lambda w, u, n: import_configuration.add(w.db, u, [], NOW)),
    "import_configuration.replace": (
        R.ADMINISTER,
        FOR_ALL,
        lambda w, u, n: import_configuration.replace(w.db, u, [], NOW),
    ),
    "port_history.port_standing": (
        R.SEE_TRAFFIC,
        REFUSES,
        lambda w, u, n: port_history.port_standing(w.db, u, w.port(n)),
    ),
    "appeals.appeals": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: _appealed(w, n) and [r for r in appeals.appeals(w.db, u) if r.port == w.port(n)],
    ),
    "appeals.decide_appeal": (
        R.REVIEW_SECOND,
        REFUSES,
        lambda w, u, n: appeals.decide_appeal(w.db, u, _appealed(w, n), False, "no", NOW),
    ),
    "tiers.proposals": (
        R.SEE_TRAFFIC,
        HIDES,
        lambda w, u, n: _proposed(w, n) and [r for r in tiers.proposals(w.db, u) if r.port == w.port(n)],
    ),
    "tiers.decide_tier": (
        R.EDIT_PORTS,
        REFUSES,
        lambda w, u, n: tiers.decide_tier(w.db, u, w.port(n), _proposed(w, n), False, "", NOW),
    ),
    "registry.limit_port": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.limit_port(w.db, u, w.port(n), "", 7, NOW),
    ),
    "registry.lift_limit": (R.SUSPEND_PORTS, REFUSES, lambda w, u, n: registry.lift_limit(w.db, u, w.port(n), "", NOW)),
    "registry.record_undertaking": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.record_undertaking(w.db, u, w.port(n), "x", NOW),
    ),
    "port_history.port_history": (
        R.SEE_TRAFFIC,
        REFUSES,
        lambda w, u, n: port_history.port_history(w.db, u, w.port(n), NOW),
    ),
    "policy_lifecycle.versions": (R.SEARCH, OF_NO_PORT, lambda w, u, n: policy_lifecycle.versions(w.db, u)),
    "policy_lifecycle.text": (R.SEARCH, OF_NO_PORT, lambda w, u, n: policy_lifecycle.text(w.db, u, _drafted(w))),
    "policy_lifecycle.text_in_force": (
        R.SEARCH,
        OF_NO_PORT,
        lambda w, u, n: policy_lifecycle.text_in_force(w.db, u, LivingKind.POLICY, "policy.yaml"),
    ),
    "policy_lifecycle.difference": (
        R.SEARCH,
        OF_NO_PORT,
        lambda w, u, n: policy_lifecycle.difference(w.db, u, _drafted(w)),
    ),
    "policy_lifecycle.draft": (
        R.AUTHOR_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.draft(w.db, u, f"title: by {u.name} {u.role}", "", NOW),
    ),
    "policy_lifecycle.submit": (
        R.AUTHOR_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.submit(w.db, u, _drafted(w), NOW),
    ),
    "policy_lifecycle.shadow": (
        R.AUTHOR_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.shadow(w.db, u, _drafted(w), NOW),
    ),
    "policy_lifecycle.share": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.share(w.db, u, _drafted(w), 1, Approval.TWO, NOW),
    ),
    "policy_lifecycle.approve": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.approve(w.db, u, _drafted(w), Approval.TWO, NOW),
    ),
    "policy_lifecycle.publish": (
        R.APPROVE_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.publish(w.db, u, "title: published", Approval.TWO, NOW),
    ),
    "policy_lifecycle.withdraw": (
        R.AUTHOR_POLICY,
        FOR_ALL,
        lambda w, u, n: policy_lifecycle.withdraw(w.db, u, _drafted(w), "", NOW),
    ),
    "registry.ports": (R.SEE_TRAFFIC, HIDES, lambda w, u, n: registry.ports(w.db, u, w.port(n))),
    "registry.save_port": (R.EDIT_PORTS, REFUSES, lambda w, u, n: registry.save_port(w.db, u, _entry(w, n), NOW)),
    "registry.save_filings": (
        R.EDIT_PORTS,
        REFUSES,
        lambda w, u, n: registry.save_filings(w.db, u, FILINGS.format(w.port(n)), "f", NOW),
    ),
    "registry.suspend_port": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.suspend_port(w.db, u, w.port(n), "x", "", NOW),
    ),
    "registry.resume_port": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.resume_port(w.db, u, w.port(n), "x", "", NOW),
    ),
    "registry.terminate": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.terminate(w.db, u, w.port(n + 4), "x", "", NOW),
    ),
    "registry.suspend_enterprise": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.suspend_enterprise(w.db, u, w.enterprise(n), "x", NOW),
    ),
    "registry.resume_enterprise": (
        R.SUSPEND_PORTS,
        REFUSES,
        lambda w, u, n: registry.resume_enterprise(w.db, u, w.enterprise(n), "x", NOW),
    ),
    "desk.orders": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: desk.orders(w.db, u, desk.Wanted())),
    "desk.counts": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: desk.counts(w.db, u, desk.Wanted())),
    "desk.history": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: desk.history(w.db, u, PHONE)),
    "desk.reconciliations": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: desk.reconciliations(w.db, u)),
    "desk.stop_number": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: desk.stop_number(w.db, u, load_parties(w.settings), PHONE, "x", NOW),
    ),
    "desk.restore_number": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: desk.restore_number(w.db, u, load_parties(w.settings), PHONE, "x", 30, NOW),
    ),
    "desk.retry": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: desk.retry(w.db, u, load_parties(w.settings), 1, NOW),
    ),
    "desk.cancel": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: desk.cancel(w.db, u, load_parties(w.settings), 2, "x", NOW),
    ),
    "registry.add_list_entry": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: registry.add_list_entry(w.db, u, "unsubscribed", f"{w.port(n)}:{PHONE}", "y", None, NOW),
    ),
    "registry.remove_list_entry": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: registry.remove_list_entry(w.db, u, "unsubscribed", f"{w.port(n)}:{PHONE}", "y", NOW),
    ),
    "registry.undo_list_change": (
        R.EDIT_LISTS,
        REFUSES,
        lambda w, u, n: registry.undo_list_change(w.db, u, _change(n), NOW),
    ),
    "registry.list_entries": (
        R.EDIT_LISTS,
        HIDES,
        lambda w, u, n: registry.list_entries(w.db, u, "unsubscribed", _unsubscribed(w, n)),
    ),
    "registry.publish_configuration": (
        R.EDIT_LISTS,
        FOR_ALL,
        lambda w, u, n: registry.publish_configuration(w.db, u, "list", "x", HEAD, NOW),
    ),
    "registry.rollback": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: registry.rollback(w.db, u, "list", "extra", NOW)),
    "registry.withdraw": (R.EDIT_LISTS, FOR_ALL, lambda w, u, n: registry.withdraw(w.db, u, "list", "extra", NOW)),
    "sums.explore": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: sums.explore(w.db, w.lake.cursor(), u, replace(WEEK, port=w.port(n))).top,
    ),
    "messages.newest_messages": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: messages.newest_messages(w.db, w.lake.cursor(), u, replace(WEEK, port=w.port(n))),
    ),
    "subjects.enterprise_names": (
        R.SEARCH,
        HIDES,
        lambda w, u, n: [e for e in subjects.enterprise_names(w.db, u) if e == w.enterprise(n)],
    ),
    "subjects.told_campaign": (
        R.SEARCH,
        FOR_ALL,
        lambda w, u, n: subjects.told_campaign(w.lake.cursor(), u, CAMPAIGN),
    ),
    "subjects.complaints_of": (
        R.SEARCH,
        FOR_ALL,
        lambda w, u, n: subjects.complaints_of(w.lake.cursor(), u, "x", NOW - 1, NOW),
    ),
    "saved_queries.save_query": (
        R.SEARCH,
        OF_NO_PORT,
        lambda w, u, n: saved_queries.save_query(w.db, u, "explore", f"q{n}", "by=port", False, NOW),
    ),
    "saved_queries.saved_queries": (
        R.SEARCH,
        OF_NO_PORT,
        lambda w, u, n: saved_queries.saved_queries(w.db, u, "explore"),
    ),
    "saved_queries.delete_query": (R.SEARCH, OF_NO_PORT, lambda w, u, n: saved_queries.delete_query(w.db, u, 0, NOW)),
    "snoozes.snooze": (
        R.SNOOZE_RULES,
        REFUSES,
        lambda w, u, n: snoozes.snooze(w.db, u, RULE, SnoozeKind.PORT, w.port(n), "x", NOW + 1 + n, NOW),
    ),
    "snoozes.unsnooze": (
        R.SNOOZE_RULES,
        REFUSES,
        lambda w, u, n: snoozes.unsnooze(w.db, u, RULE, SnoozeKind.PORT, w.port(n), "x", NOW),
    ),
    "snoozes.ports_of": (
        R.SNOOZE_RULES,
        HIDES,
        lambda w, u, n: snoozes.ports_of(w.db, u, SnoozeKind.PORT, w.port(n)),
    ),
    "snoozes.snoozes": (
        R.SEE_TRAFFIC,
        HIDES,
        lambda w, u, n: [s for s in snoozes.snoozes(w.db, u, NOW) if s.value == f"1069000{n + 2}"],
    ),
    "report.make": (
        R.SEE_TRAFFIC,
        FOR_ALL,
        lambda w, u, n: reports.make(w.db, w.settings, u, "daily", last_complete(Span.DAY, NOW, "Asia/Shanghai")),
    ),
    "drift.drift": (
        R.SEE_TRAFFIC,
        FOR_ALL,
        lambda w, u, n: drift.drift(w.lake.cursor(), u, Card.load(WEIGHTS / "card.json"), 1, NOW),
    ),
    "report.report": (R.SEE_TRAFFIC, FOR_ALL, lambda w, u, n: report.report(w.db, w.lake.cursor(), u, NOW)),
    "users.add_user": (R.ADMINISTER, FOR_ALL, lambda w, u, n: users.add_user(w.db, u, "zoe", Role.VIEWER, {}, NOW)),
    "users.list_users": (R.ADMINISTER, FOR_ALL, lambda w, u, n: users.list_users(w.db, u, NOW)),
    "users.let_in": (R.ADMINISTER, FOR_ALL, lambda w, u, n: users.let_in(w.db, u, "anna", NOW)),
    "users.set_active": (R.ADMINISTER, FOR_ALL, lambda w, u, n: users.set_active(w.db, u, "anna", False, NOW)),
    "users.reset_password": (R.ADMINISTER, FOR_ALL, lambda w, u, n: users.reset_password(w.db, u, "anna", NOW)),
}
# What they tell is the same for every scope.
OF_NO_SCOPE = {
    "beside.rule_texts",
    "states.channel_states",
    "controls.controls",
    "saved_queries.save_query",
    "saved_queries.saved_queries",
    "saved_queries.delete_query",
    "assigning.reviewers",
    "checks.answer",
    "checks.take_back",
    "inbox.operators",
    "rules.list_rules",
    "silences.list_silences",
    "search.parts_of_score",
    "epochs.epochs",
    "policy_lifecycle.versions",
    "policy_lifecycle.text",
    "policy_lifecycle.text_in_force",
    "policy_lifecycle.difference",
}
# One's own password, the questions themselves, and parts of calls that have asked for the right.
NOT_CALLS = {
    "filters.check",
    "filters.conditions",
    "appeals.may_decide",
    "reopening.may_reopen",
    "users.change_password",
    "claims.at_hand",
    "claims.not_yours",
    "claims.settle",
    "places.not_judged_by",
    "places.others_who_review",
    "places.unassigned_or_to",
    "places.in_access",
    "places.of_level",
    "places.skipped_by",
    *(f"roles.{name}" for name in vars(roles)),
}


def _stopped(w: World, n: int) -> list[str]:
    with w.db.write() as connection:
        connection.execute(update(schema.ports).where(schema.ports.c.code == w.port(n)).values(state="suspended"))
    return [w.port(n)]


SET_UP = (
    "appeals",
    "tier_proposals",
    "cases",
    "ports",
    "alerts",
    "alert_rules",
    "alert_silences",
    "golden_cases",
    "opinions",
)  # by helpers; the audit trail is compared


def everything(w: World) -> dict[str, list[Any]]:
    """All rows; of cases what `_held` and `_decided` set up belongs to the test."""
    with w.db.read() as connection:
        return {
            str(t.name): sorted(map(repr, connection.execute(select(t)).all()))
            for t in schema.metadata.sorted_tables
            if t.name not in SET_UP
        }


def holders(right: Right) -> list[Role]:
    return [role for role in Role if right in RIGHTS[role]]


def test_no_service_is_missing_here() -> None:
    found = set()
    for package in (pipeline.store, pipeline.actions):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" in info.name:
                continue
            module = importlib.import_module(info.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                own = function.__module__ == info.name and not name.startswith("_")
                if own and inspect.signature(function).parameters.get("user") is not None:
                    found.add(f"{info.name.rsplit('.', 1)[1]}.{name}")
    assert found - NOT_CALLS == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_without_the_right_it_is_refused(filled: World, name: str) -> None:
    right, _, run = CALLS[name]
    before = everything(filled)
    for role in Role:
        if right in RIGHTS[role]:
            continue
        for scope in ({}, SOUTH):
            with pytest.raises(Forbidden):
                run(filled, User("mallory", role, scope), 0)
    assert everything(filled) == before
    for role in Role:
        with pytest.raises(Forbidden, match="must be changed"):
            run(filled, User("new", role, {}, must_change=True), 0)


@pytest.mark.parametrize("name", CALLS)
def test_outside_the_scope_it_does_and_tells_nothing(filled: World, name: str) -> None:
    right, outside, run = CALLS[name]
    for role in holders(right):
        user = User("south", role, SOUTH)
        for n in (0, 1) if outside == FOR_ALL else (1,):
            if outside in (REFUSES, FOR_ALL):
                before = everything(filled)
                with pytest.raises(AntispamError):
                    run(filled, user, n)
                assert everything(filled) == before
            elif outside == HIDES and right is not Right.ADMINISTER:
                assert not run(filled, user, n)
            else:
                run(filled, user, n)


@pytest.mark.parametrize("name", [name for name, (right, *_) in CALLS.items() if right is not Right.ADMINISTER])
def test_within_the_scope_it_works(filled: World, name: str) -> None:
    """Else the refusals above would prove nothing."""
    right, outside, run = CALLS[name]
    for role in holders(right):
        user = User("south", role, SOUTH if outside != FOR_ALL else {})
        try:
            told = run(filled, user, 0)
        except Forbidden:
            raise
        except AntispamError:
            continue  # it was let through, and there was nothing to do
        assert told or outside != HIDES, role


# What reviewers do that is about no case of a queue: ports, people, figures, answers to checks, appeals, replies.
OF_NO_QUEUE = {
    "appeals.decide_appeal",
    "beside.rule_texts",
    "assigning.reviewers",
    "checks.answer",
    "checks.take_back",
    "claims.stopped_ports",
    "figures.reviewers",
    "shift.shift",
    "stopped.bring_stopped",
}
OF_QUEUES = [name for name, (right, *_) in CALLS.items() if right in (R.REVIEW, R.REVIEW_SECOND)]


@pytest.fixture
def queued(filled: World) -> Iterator[World]:
    """Cases with an even number are in the queue `loans`, the others in `rest`."""
    cases = schema.cases
    with filled.db.write() as connection:
        for n, queue in ((0, "loans"), (1, "rest")):
            connection.execute(
                update(cases).where(cases.c.id.in_(f"case-{n + m:03}" for m in (0, 2, 4))).values(queue=queue)
            )
    yield filled
    with filled.db.write() as connection:
        connection.execute(update(cases).values(queue=""))


@pytest.mark.parametrize("name", [name for name in OF_QUEUES if name not in OF_NO_QUEUE])
def test_outside_the_queues_of_the_account_it_does_and_tells_nothing(queued: World, name: str) -> None:
    right, outside, run = CALLS[name]
    for role in holders(right):
        user = User("lin", role, queues=("loans",))
        if outside == REFUSES:
            before = everything(queued)
            with pytest.raises(AntispamError):
                run(queued, user, 1)
            assert everything(queued) == before
        else:
            assert not run(queued, user, 1)
        try:
            told = run(queued, user, 0)
        except Forbidden:
            raise
        except AntispamError:
            continue  # it was let through, and there was nothing to do
        assert told or outside != HIDES, role


SEEN_BY_ANALYSTS = [name for name, (right, *_) in CALLS.items() if right in RIGHTS[Role.ANALYST]]


@pytest.mark.parametrize("name", SEEN_BY_ANALYSTS)
def test_an_analyst_is_told_no_number_and_no_full_text(filled: World, name: str) -> None:
    told = repr(CALLS[name][2](filled, User("anna", Role.ANALYST), 0))
    assert [secret for secret in (PHONE, "13900139000", "王女士", "4008001234", "a8K2") if secret in told] == []


def test_a_misspelt_scope_opens_nothing(filled: World) -> None:
    for name, (right, outside, run) in CALLS.items():
        if outside == FOR_ALL or name in OF_NO_SCOPE:
            continue
        with pytest.raises(AntispamError):
            run(filled, User("south", holders(right)[0], {"provinces": "x"}), 0)
        with pytest.raises(AntispamError):
            run(filled, User("south", holders(right)[0], {"enterprise": "e-south", "city": "x"}), 0)


def test_an_administrator_has_no_scope(operational_db: Database) -> None:
    register_ports(operational_db, NOW)
    with pytest.raises(AntispamError, match="no scope"):
        users.add_user(operational_db, CHIEF, "part", Role.ADMINISTRATOR, SOUTH, NOW)
    assert not roles.allowed(User("old", Role.ADMINISTRATOR, SOUTH), Right.ADMINISTER)
