"""Whatever reviewers, late members, undone verdicts and the releaser do in whatever order: no case is
carried out under two verdicts, no member is lost or in two cases, and no case has two holders."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from pipeline.actions.review import claims
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.merging import merge
from pipeline.actions.review.releaser import take_effect
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import User
from pipeline.store.database import Database
from tests.harness.case_events import CHEN, LIN, NOW, PORT, member
from tests.harness.examples import examples

pytestmark = pytest.mark.long

USERS = st.sampled_from((LIN, CHEN))
CAMPAIGN = "c0123456789abcdef"
FINGERPRINTS = st.sampled_from(("f1", "f2"))


class Cases(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.sent: list[tuple[str, str, int, str]] = []  # id, fingerprint, time, campaign
        self.effective: dict[str, str] = {}
        self.held: dict[str, tuple[str, int]] = {}  # case -> holder and the end of the lease
        self._folder = TemporaryDirectory()

    @initialize()
    def database(self) -> None:
        self.db = Database(f"sqlite:///{Path(self._folder.name) / 'cases.db'}", b"key")
        schema.metadata.create_all(self.db.engine)
        with self.db.write() as connection:
            connection.execute(schema.epochs.insert().values(id=1, last=0))

    def teardown(self) -> None:
        self.db.close()
        self._folder.cleanup()

    @rule(seconds=st.sampled_from((1, 5, 11, 601, 86_400)))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1000

    @rule(fingerprints=st.lists(FINGERPRINTS, min_size=1, max_size=3), again=st.booleans(), known=st.booleans())
    def members_arrive(self, fingerprints: list[str], again: bool, known: bool) -> None:
        campaign = CAMPAIGN if known else ""
        fresh = [(f"s{len(self.sent) + i}", f, self.now, campaign) for i, f in enumerate(fingerprints)]
        self.sent += fresh
        records = [
            member(name, content, at, content=f"尾款 {int(name[1:]) % 2}", campaign=told)
            for name, content, at, told in (self.sent if again else fresh)
        ]
        with self.db.write() as connection:
            project_members(connection, self.now, records)
        self._leases_follow()

    @rule()
    def the_campaign_is_known(self) -> None:
        """All contents are found to be of the campaign."""
        with self.db.write() as connection:
            ids = connection.scalars(select(schema.cases.c.id)).all()
            merge(connection, self.now, PORT, CAMPAIGN, ids)
        assert self._leases_follow() <= 1

    @rule(user=USERS)
    def claim(self, user: User) -> None:
        for case in claims.claim(self.db, user, self.now, 1):
            holder, until = self.held.get(case.id, (user.name, 0))
            assert holder == user.name or until <= self.now
            self.held[case.id] = (user.name, self.now + claims.LEASE_MS)

    @rule(user=USERS, verdict=st.sampled_from(("release", "reject")), which=st.integers(0, 5))
    def decide(self, user: User, verdict: str, which: int) -> None:
        case = self._any(which)
        if case is None:
            return
        try:
            claims.decide(self.db, user, case.id, verdict, "", self.now, case.last_member)
        except AntispamError:
            assert case.state != "open" or case.claimed_by != user.name
        else:
            assert (case.state, case.claimed_by) == ("open", user.name)
            self.held.pop(case.id)

    @rule(user=USERS, which=st.integers(0, 5))
    def undo(self, user: User, which: int) -> None:
        case = self._any(which)
        if case is None:
            return
        allowed = case.state == "decided" and case.decided_by == user.name and case.effective_at > self.now
        try:
            claims.undo(self.db, user, case.id, self.now)
        except AntispamError:
            assert not allowed
        else:
            assert allowed
            self.held[case.id] = (user.name, self.now + claims.LEASE_MS)

    @rule(user=USERS, which=st.integers(0, 5))
    def skip(self, user: User, which: int) -> None:
        case = self._any(which)
        if case is not None and case.state == "open" and case.claimed_by == user.name:
            claims.skip(self.db, user, case.id, self.now)
            self.held.pop(case.id)
            assert all(view.id != case.id for view in claims.claim(self.db, user, self.now, 0))

    @rule(which=st.integers(0, 5))
    def takes_effect(self, which: int) -> None:
        case = self._any(which)
        if case is None:
            return
        with self.db.write() as connection:
            done = take_effect(connection, self.now, case.id)
        assert done == (case.state == "decided" and case.effective_at <= self.now)
        if done:
            assert case.id not in self.effective
            self.effective[case.id] = case.verdict

    @invariant()
    def nothing_lost_nothing_twice(self) -> None:
        if not hasattr(self, "db"):
            return
        with self.db.read() as connection:
            cases = {row.id: row for row in connection.execute(select(schema.cases))}
            members = connection.execute(select(schema.case_members).order_by(schema.case_members.c.number)).all()
        assert sorted(row.submission for row in members) == sorted(name for name, *_ in self.sent)
        for case in cases.values():
            ours = [row for row in members if row.case == case.id]
            if case.state == "merged":
                assert not ours
                assert cases[case.merged_into].campaign == CAMPAIGN or case.campaign == ""
                continue
            assert (case.submissions, case.last_member) == (len(ours), ours[-1].number)
            assert (case.state == "effective") == (case.id in self.effective)
            assert case.verdict == self.effective.get(case.id, case.verdict)
            assert (case.verdict is None) == (case.state == "open")
        undecided = [case.campaign or case.fingerprint for case in cases.values() if case.state == "open"]
        assert len(undecided) == len(set(undecided))

    def _leases_follow(self) -> int:
        """Cases may have been merged: each lease on an open case is one that was given. The number of open cases."""
        with self.db.read() as connection:
            undecided = connection.execute(select(schema.cases).where(schema.cases.c.state == "open")).all()
        holders = {row.id: (row.claimed_by, row.lease_until) for row in undecided if row.claimed_by is not None}
        assert all(holder in self.held.values() for holder in holders.values())
        self.held = holders
        return len(undecided)

    def _any(self, which: int) -> Any:
        with self.db.read() as connection:
            rows = connection.execute(select(schema.cases).order_by(schema.cases.c.id)).all()
        return rows[which % len(rows)] if rows else None


TestCases = Cases.TestCase
TestCases.settings = settings(
    max_examples=examples(60), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
