"""Which report settles which part: the table line by line, and against a carrier that does whatever it likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from pipeline.actions.senders import deliveries
from pipeline.actions.senders.part import FINAL, DeliveryState, Key, Part, outcome
from pipeline.actions.senders.settling import GUESS_MS, REPORTS_COME_MS, Report, Row, settle, whose
from pipeline.durations import MINUTE_MS
from pipeline.events import DeliveryReport
from pipeline.store import report_outbox, schema
from pipeline.store.database import Database
from tests.harness.examples import examples

SENT = 1_000_000_000
DELIVERED, FAILED, MAYBE = DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.MAYBE_SENT
SUBMITTED, SUBMITTING, REFUSED = DeliveryState.SUBMITTED, DeliveryState.SUBMITTING, DeliveryState.REFUSED
CHANNEL = "default"


def part(
    message: str = "a", number: int = 1, state: DeliveryState = SUBMITTED, ident: str | None = None, **fields: Any
) -> Row:
    given: dict[str, Any] = {"tries": 1, "submitted_at": SENT, "recipient": "138", "port": "1069"} | fields
    return Row(
        (given["port"], message, 1, number), given["recipient"], state, ident, given["tries"], given["submitted_at"]
    )


def report(ident: str = "x", sender: str = "1069", at: int = SENT + MINUTE_MS, recipient: str = "138") -> Report:
    return Report(ident, DELIVERED, "DELIVRD", sender, recipient, at)


WAITS, CHANGES_NOTHING = False, True
TABLE: dict[str, tuple[list[Row], Report, tuple[str, int] | bool]] = {
    "its id": ([part(ident="x"), part("b", ident="y")], report(), ("a", 1)),
    "its id, days later": ([part(ident="x")], report(at=SENT + 3 * REPORTS_COME_MS), ("a", 1)),
    "its id, and another part is in flight": ([part(ident="x"), part("b", state=SUBMITTING)], report(), ("a", 1)),
    "its id, delivered": ([part(ident="x", state=DELIVERED)], report(), CHANGES_NOTHING),
    "its id, failed": ([part(ident="x", state=FAILED)], report(), CHANGES_NOTHING),
    "one id for all parts of a message": (
        [part(ident="x", state=DELIVERED), part(number=2, ident="x"), part(number=3, ident="x")],
        report(),
        ("a", 2),
    ),
    "an id used again: the newest, at its end": (
        [part(ident="x"), part("b", ident="x", state=DELIVERED, submitted_at=SENT + 1)],
        report(),
        CHANGES_NOTHING,
    ),
    "an id used again: the newest": (
        [part(ident="x"), part("b", ident="x", submitted_at=SENT + 1)],
        report(),
        ("b", 1),
    ),
    "nobody's": ([], report(), WAITS),
    "all others have their ids": ([part(ident="y"), part("b", ident="z", state=FAILED)], report(), WAITS),
    "the only one in doubt": ([part(state=MAYBE), part("b", ident="y")], report(), ("a", 1)),
    "the only one in doubt, sent three times": ([part(state=MAYBE, tries=3)], report(), ("a", 1)),
    "in flight": ([part(state=SUBMITTING)], report(), WAITS),
    "in flight, nothing known of its SUBMIT": ([part(state=SUBMITTING, submitted_at=None)], report(), WAITS),
    "one in doubt, one in flight": ([part(state=MAYBE), part("b", state=SUBMITTING)], report(), WAITS),
    "one in doubt, one in flight from another sender": (
        [part(state=MAYBE), part("b", state=SUBMITTING, port="1070")],
        report(),
        WAITS,
    ),
    "two in doubt": ([part(state=MAYBE), part("b", state=MAYBE)], report(), WAITS),
    "one in doubt, one sent twice": ([part(state=MAYBE), part("b", ident="y", tries=2)], report(), WAITS),
    "one in doubt, one sent twice and refused": (
        [part(state=MAYBE), part("b", state=REFUSED, tries=2)],
        report(),
        WAITS,
    ),
    "one in doubt, an old one too": (
        [part(state=MAYBE), part("b", state=MAYBE, submitted_at=SENT - REPORTS_COME_MS)],
        report(),
        ("a", 1),
    ),
    "in doubt, from another sender": ([part(state=MAYBE, port="1070")], report(), WAITS),
    "in doubt, a second copy has an id": ([part(ident="y", tries=2)], report(), WAITS),
    "in doubt, though its id is known": ([part(state=MAYBE, ident="y")], report(), WAITS),
    "in doubt, by the id that is known": ([part(state=MAYBE, ident="x")], report(), ("a", 1)),
    "two parts of one message in doubt": ([part(number=2, state=MAYBE), part(state=MAYBE)], report(), WAITS),
    "two parts of one message, one sent twice": (
        [part(number=2, state=MAYBE, tries=2), part(state=MAYBE)],
        report(),
        WAITS,
    ),
    "in doubt for ten minutes": ([part(state=MAYBE)], report(at=SENT + GUESS_MS), ("a", 1)),
    "in doubt for longer": ([part(state=MAYBE)], report(at=SENT + GUESS_MS + 1), WAITS),
    "sent after the report": ([part(state=MAYBE)], report(at=SENT - 1), WAITS),
    "sent in the millisecond of the report": ([part(state=MAYBE)], report(at=SENT), WAITS),
}


@pytest.mark.parametrize("line", TABLE)
def test_the_table(line: str) -> None:
    rows, said, expected = TABLE[line]
    found = whose(said, rows)
    assert ((found.key[1], found.key[3]) if isinstance(found, Row) else found) == expected


def test_one_id_at_two_recipients_is_two_parts() -> None:
    rows = [part(ident="x"), part("b", ident="x", recipient="139")]
    settled = settle([report(recipient="139"), report(recipient="138"), report(recipient="137")], rows)
    assert [(r.recipient, key[1]) for r, key in settled.parts] == [("139", "b"), ("138", "a")]
    assert [r.recipient for r in settled.waiting] == ["137"]


def test_parts_of_one_message_are_settled_when_each_has_a_report() -> None:
    """With fewer, the carrier may not have taken one of them: it is to be sent again, and not to be credited."""
    rows = [part(number=number, state=MAYBE) for number in (1, 2, 3)]
    early, late = report("old", at=SENT - 1), report("new", at=SENT + GUESS_MS + 1)
    some = settle([report("x"), report("y"), report("x"), early, late], rows)
    assert (some.parts, len(some.waiting)) == ([], 5)
    every = settle([report("x"), report("y"), report("z")], rows)
    assert [(r.carrier_id, key[3]) for r, key in every.parts] == [("x", 1), ("y", 2), ("z", 3)]


def test_a_report_that_settles_makes_another_sure() -> None:
    """Both wait while two messages are in doubt; once the id of one is known, the other report has one owner."""
    rows = [part(state=MAYBE), part("b", ident="y")]
    settled = settle([report("y"), report("x"), report("x")], rows)
    assert {(r.carrier_id, key[1]) for r, key in settled.parts} == {("x", "a"), ("y", "b")}
    assert [r.carrier_id for r in settled.repeated] == ["x"]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("DELIVRD", DELIVERED),
        ("delivrd", DELIVERED),
        (" Delivrd ", DELIVERED),
        ("EXPIRED", FAILED),
        ("undeliv", FAILED),
        ("MK:0001", FAILED),
        ("UNKNOWN", FAILED),
        ("", FAILED),
        ("ACCEPTD", None),
        ("acceptd", None),
        ("Enroute", None),
        ("BUFFERE", None),
        ("BUFFRED", None),
    ],
)
def test_what_a_carriers_word_means(word: str, state: DeliveryState | None) -> None:
    assert outcome(word) is state


@dataclass
class Copy:
    """One SUBMIT that the carrier took."""

    ident: str
    key: Key
    recipient: str
    state: DeliveryState
    of_now: bool = True  # its answer can still come


@dataclass
class Message:
    parts: list[Part]
    flying: set[int] = field(default_factory=set)  # numbers of parts whose answer is due

    @property
    def key(self) -> tuple[str, str]:
        return self.parts[0].port, self.parts[0].recipient


# Few of each, so that messages meet.
SENDERS, RECIPIENTS = st.sampled_from(["1069", "1069", "1070"]), st.sampled_from(["138", "138", "138", "139"])
TAKES = st.sampled_from([True, True, False])


class Carrier(RuleBasedStateMachine):
    """Answers, silence, lost links, crashes and reports in any order; the rows are compared with what is true."""

    @initialize()
    def begin_all(self) -> None:
        self.db = Database("sqlite://", b"audit")
        schema.metadata.create_all(self.db.engine)
        self.now = SENT
        self.messages: list[Message] = []
        self.copies: list[Copy] = []
        self.ids: dict[str, int] = {}
        self.final: dict[Key, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.close()

    # What happens.

    @rule(port=SENDERS, to=RECIPIENTS, parts=st.sampled_from([1, 1, 2]), takes=TAKES)
    def send(self, port: str, to: str, parts: int, takes: bool) -> None:
        if any(m.flying for m in self.messages if m.key == (port, to)):
            return  # one message of a key is under way at a time
        name = f"m{len(self.messages)}"
        message = Message(
            [
                Part(port=port, code=port, submission=name, n=1, number=i, recipient=to, frame=b"", valid_until=None)
                for i in range(1, parts + 1)
            ]
        )
        self.messages.append(message)
        self.submit(message, message.parts, takes)

    @rule(pick=st.integers(0, 99))
    def answer(self, pick: int) -> None:
        flying = [c for c in self.copies if c.of_now and self.part(c.key)[1].number in self.part(c.key)[0].flying]
        if flying:
            copy = flying[pick % len(flying)]
            message, p = self.part(copy.key)
            p.state, p.carrier_id, p.again = SUBMITTED, copy.ident, False
            self.finish(message, p)

    @rule(pick=st.integers(0, 99))
    def unreadable_answer(self, pick: int) -> None:
        """But for the id."""
        flying = [c for c in self.copies if c.of_now and self.part(c.key)[1].number in self.part(c.key)[0].flying]
        if flying:
            copy = flying[pick % len(flying)]
            message, p = self.part(copy.key)
            p.state, p.carrier_id, p.again = MAYBE, copy.ident, False
            self.finish(message, p)

    @rule(pick=st.integers(0, 99), most=st.sampled_from([1, 1, 2]), takes=TAKES)
    def silence(self, pick: int, most: int, takes: bool) -> None:
        flying = self.flying()
        if flying:
            message, p = flying[pick % len(flying)]
            p.silences += 1
            if p.may_repeat(most):
                p.tries += 1  # over the same link: nothing is stored
                self.taken(p, takes)
            else:
                p.state, p.again = MAYBE, False
                self.finish(message, p)

    @rule(pick=st.integers(0, 99), again=st.booleans(), takes=TAKES)
    def lose_the_link(self, pick: int, again: bool, takes: bool) -> None:
        flying = self.flying()
        if flying:
            message, p = flying[pick % len(flying)]
            p.state, p.again = MAYBE, True
            known = self.finish(message, p)
            if again and p.key not in known:
                self.submit(message, [p], takes)

    @rule(again=st.booleans(), takes=TAKES)
    def crash(self, again: bool, takes: bool) -> None:
        deliveries.mark_interrupted(self.db, CHANNEL, self.now)
        for copy in self.copies:
            copy.of_now = False
        open_messages = [m for m in self.messages if m.flying]
        for message in open_messages:
            message.flying.clear()
            message.parts = [
                Part(
                    port=p.port,
                    code=p.code,
                    submission=p.submission,
                    n=1,
                    number=p.number,
                    recipient=p.recipient,
                    frame=b"",
                    valid_until=None,
                )
                for p in message.parts
            ]
            known = deliveries.advance(self.db, CHANNEL, [], message.parts, self.now)
            for p in message.parts:
                row = known[p.key]
                p.stored, p.state, p.tries = True, row.state, max(1, row.tries)
                p.carrier_id, p.silences, p.submitted_at = row.carrier_id, row.silences, row.submitted_at
            doubtful = [p for p in message.parts if p.state is MAYBE and p.carrier_id is None]
            if again and doubtful:
                self.submit(message, doubtful, takes)

    @rule(picks=st.lists(st.integers(0, 99), min_size=1, max_size=3))
    @precondition(lambda self: self.copies)
    def report(self, picks: list[int]) -> None:
        """Some are reported twice, the second time perhaps with another word."""
        chosen = [self.copies[pick % len(self.copies)] for pick in picks]
        reports = [
            Report(c.ident, c.state, "DELIVRD" if c.state is DELIVERED else "EXPIRED", c.key[0], c.recipient, self.now)
            for c in chosen
        ]
        deliveries.take_reports(self.db, CHANNEL, reports, self.now)
        for copy in chosen:
            copy.state = FAILED

    @rule(ms=st.sampled_from([1, 1, MINUTE_MS, GUESS_MS]))
    def wait(self, ms: int) -> None:
        self.now += ms

    # What must be true.

    @invariant()
    def nothing_is_credited_to_the_wrong_message(self) -> None:
        if not hasattr(self, "db"):
            return
        settled, rows = 0, self.rows()
        for row in rows:
            key: Key = (row.port, row.submission, row.n, row.part)
            if row.carrier_id is not None:
                owners = [c.key[:3] for c in self.copies if (c.ident, c.recipient) == (row.carrier_id, row.recipient)]
                assert owners == [key[:3]]
            if DeliveryState(row.state) in FINAL:
                settled += row.state in (DELIVERED, FAILED)
                assert self.final.setdefault(key, row.state) == row.state, "final stays final"
            else:
                assert key not in self.final
        with self.db.read() as connection:
            assert report_outbox.pending(connection) == settled, "each is published once"
            parked = connection.execute(select(schema.parked_reports)).all()
        named = {(row.carrier_id, row.recipient) for row in rows}
        deliveries.sweep(self.db, CHANNEL, self.now)
        assert self.rows() == rows, "a report waited that settles something"
        assert not named & {(p.carrier_id, p.recipient) for p in parked}, "no report waits for a part that is known"

    # How it is done.

    def rows(self) -> Sequence[Any]:
        with self.db.read() as connection:
            return connection.execute(select(schema.deliveries)).all()

    def part(self, key: Key) -> tuple[Message, Part]:
        return next((m, p) for m in self.messages for p in m.parts if p.key == key)

    def flying(self) -> list[tuple[Message, Part]]:
        return [(m, p) for m in self.messages for p in m.parts if p.number in m.flying]

    def taken(self, p: Part, takes: bool) -> None:
        if takes:  # ids count for each recipient anew: the same id comes to two
            self.ids[p.recipient] = self.ids.get(p.recipient, 0) + 1
            self.copies.append(Copy(f"id{self.ids[p.recipient]}", p.key, p.recipient, DELIVERED))

    def submit(self, message: Message, parts: list[Part], takes: bool) -> None:
        known = deliveries.advance(self.db, CHANNEL, [], parts, self.now)
        for p in parts:
            if p.key in known:
                p.state = known[p.key].state
                continue
            p.stored, p.state, p.tries = True, SUBMITTING, p.tries + 1
            p.submitted_at = p.submitted_at or self.now
            message.flying.add(p.number)
            self.taken(p, takes)

    def finish(self, message: Message, p: Part) -> dict[Key, deliveries.Known]:
        message.flying.discard(p.number)
        for copy in self.copies:
            copy.of_now &= copy.key != p.key
        known = deliveries.advance(self.db, CHANNEL, [p], [], self.now)
        if p.key in known:
            p.state = known[p.key].state
        return known


Carrier.TestCase.settings = settings(max_examples=examples(100), stateful_step_count=25, deadline=None)
TestAnyCarrier = pytest.mark.long(Carrier.TestCase)


def test_a_report_on_a_part_in_doubt_makes_a_parked_one_sure(operational_db: Database) -> None:
    """However long that one has waited: nothing else may look at it again."""
    named, other = (
        Part(
            port="1069",
            code="1069",
            submission=name,
            n=1,
            number=1,
            recipient="138",
            frame=b"",
            valid_until=None,
            state=MAYBE,
            tries=1,
            submitted_at=SENT,
        )
        for name in ("named", "other")
    )
    named.carrier_id = "y"
    deliveries.advance(operational_db, CHANNEL, [named, other], [], SENT)
    early, late = report("x"), report("y", at=SENT + 60 * MINUTE_MS)
    assert deliveries.take_reports(operational_db, CHANNEL, [early], early.at).waiting == [early]
    settled = deliveries.take_reports(operational_db, CHANNEL, [late], late.at)
    assert {(r.carrier_id, key[1]) for r, key in settled.parts} == {("y", "named"), ("x", "other")}


def test_a_part_given_back_unwritten_is_in_nobodys_way(operational_db: Database) -> None:
    doubtful, unwritten = (
        Part(port="1069", code="1069", submission=name, n=1, number=1, recipient="138", frame=b"", valid_until=None)
        for name in ("a", "b")
    )
    doubtful.state, doubtful.tries, doubtful.submitted_at = MAYBE, 1, SENT
    deliveries.advance(operational_db, CHANNEL, [doubtful], [unwritten], SENT)
    assert deliveries.take_reports(operational_db, CHANNEL, [report()], SENT + MINUTE_MS).waiting
    unwritten.again = True
    deliveries.advance(operational_db, CHANNEL, [unwritten], [], SENT + MINUTE_MS)
    with operational_db.read() as connection:
        assert [(r.submission, r.state) for r in connection.execute(select(schema.deliveries))] == [("a", DELIVERED)]


def test_an_outbox_id_is_never_given_again(any_db: Database) -> None:
    """A relay that wakes up behind its successor deletes what it published, and no other report."""
    said = DeliveryReport(
        id="s/1", channel=CHANNEL, carrier_id="x", status="DELIVRD", reported_at=1, part=1, port="1069"
    )
    seen: set[int] = set()
    for _ in range(3):
        with any_db.write() as connection:
            report_outbox.put(connection, [said], 1)
            [(ident, _, _)] = report_outbox.unpublished(connection, 10)
            report_outbox.remove(connection, [ident])
        assert ident not in seen
        seen.add(ident)


def test_however_many_are_asked_for_they_are_found(any_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement has so many parameters at most."""
    monkeypatch.setattr(deliveries, "ASKED", 2)
    parts = [
        Part(port="1069", code="1069", submission="s", n=n, number=1, recipient=f"138{n}", frame=b"", valid_until=None)
        for n in range(1, 8)
    ]
    deliveries.advance(any_db, CHANNEL, [], parts, SENT)
    reports = [report(f"x{part.n}", recipient=part.recipient) for part in parts]
    assert len(deliveries.take_reports(any_db, CHANNEL, reports, SENT + MINUTE_MS).waiting) == 7
    for part in parts:
        part.state, part.tries, part.submitted_at, part.again = MAYBE, 1, SENT, True
        part.carrier_id = f"x{part.n}" if part.n % 2 else None
    known = deliveries.advance(any_db, CHANNEL, parts, [], SENT + MINUTE_MS)
    assert {key[2]: row.state for key, row in known.items()} == dict.fromkeys(range(1, 8), DELIVERED)
