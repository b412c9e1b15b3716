"""The review deck without a browser: a log applied once and in order, hostile text in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from dashboards import deck, language
from pipeline.actions.console import beside
from pipeline.actions.console.score_parts import ScorePart, ScoreParts
from pipeline.actions.console.why import CampaignSize, Explained, Span, Why
from pipeline.actions.quality import checks
from pipeline.actions.review import claims
from pipeline.actions.review.places import Here
from pipeline.durations import DAY_MS
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.console_data import CASES, open_cases, register_ports

pytestmark = pytest.mark.long

NOW = 1_790_000_000_000
ANNA, BEN = User("anna", Role.REVIEWER), User("ben", Role.REVIEWER)
EN = language.text("en")
SHU = User("shu", Role.SENIOR_REVIEWER)
POLICY = """
rules:
  - {id: bulk-unreviewed, event: submission, description: bulk, when: messages > 50, verdict: review}
"""


@pytest.fixture
def db(operational_db: Database) -> Database:
    register_ports(operational_db, NOW)
    open_cases(operational_db, NOW)
    return operational_db


def hand_of(db: Database, user: User = ANNA) -> deck.Hand:
    hand = deck.Hand(seen_at=NOW)
    deck.refill(db, user, hand, NOW, touched=True)
    return hand


def entry(seq: int, action: str, case: str, note: str = "") -> dict[str, Any]:
    return {"seq": seq, "action": action, "case": case, "seen": 10**9, "note": note}


def verdicts(db: Database) -> dict[str, tuple[str, str | None]]:
    t = schema.cases
    with db.read() as connection:
        return {row.id: (row.state, row.verdict) for row in connection.execute(select(t.c.id, t.c.state, t.c.verdict))}


def test_a_log_is_applied_once_however_often_it_comes(db: Database) -> None:
    hand = hand_of(db)
    log = [entry(1, "release", "case-000"), entry(2, "reject", "case-001", "typical"), entry(3, "skip", "case-002")]
    assert deck.apply(db, ANNA, hand, reversed(log), NOW)
    assert not deck.apply(db, ANNA, hand, log, NOW)
    assert (hand.acked, hand.decided, hand.failed) == (3, 2, [])
    assert verdicts(db)["case-000"] == ("decided", "release")
    assert verdicts(db)["case-001"] == ("decided", "reject")
    deck.refill(db, ANNA, hand, NOW, touched=True)
    assert list(hand.cases) == ["case-003", "case-004", "case-005"], "what was skipped does not come back at once"


def test_a_verdict_that_a_page_loaded_again_sends_a_second_time_is_done(db: Database) -> None:
    log = [entry(1, "reject", "case-000"), entry(2, "reject", "case-001")]
    deck.apply(db, ANNA, hand_of(db), log, NOW)
    again = hand_of(db)
    deck.apply(db, ANNA, again, [log[0], entry(2, "release", "case-001")], NOW)
    assert [told[:2] for told in again.failed] == [(2, "case-001")], "another verdict is refused"
    deck.apply(db, BEN, other := deck.Hand(), log[:1], NOW)
    assert "anna" in str(other.failed[0][3])
    assert verdicts(db)["case-000"] == ("decided", "reject")


def test_an_undo_and_a_skip_that_a_page_loaded_again_sends_a_second_time_are_done(db: Database) -> None:
    log = [entry(1, "reject", "case-000"), entry(2, "undo", "case-000"), entry(3, "skip", "case-001")]
    deck.apply(db, ANNA, hand_of(db), log, NOW)
    again = hand_of(db)
    deck.apply(db, ANNA, again, log[1:], NOW)
    assert (again.failed, again.decided) == ([], 0)
    assert "case-000" in again.cases
    deck.apply(db, BEN, other := deck.Hand(), log[1:], NOW)
    assert [told[2] for told in other.failed] == ["undo"], "the verdict was not Ben's; he has not the other case"


def test_of_several_entries_about_a_case_the_last_one_is_what_is_told(db: Database) -> None:
    log = [entry(1, "reject", "case-000"), entry(2, "undo", "case-000"), entry(3, "release", "case-000")]
    deck.apply(db, ANNA, hand_of(db), log, NOW)
    again = hand_of(db)
    deck.apply(db, ANNA, again, log, NOW + 1)
    assert (again.failed, verdicts(db)["case-000"]) == ([], ("decided", "release"))
    late = deck.Hand()
    deck.apply(db, ANNA, late, log, NOW + 2 * deck.UNDO_MS)
    assert (late.failed, verdicts(db)["case-000"]) == ([], ("decided", "release"))


def test_undo_brings_the_case_back_to_the_front(db: Database) -> None:
    hand = hand_of(db)
    deck.apply(db, ANNA, hand, [entry(1, "blacklist", "case-003")], NOW)
    deck.apply(db, ANNA, hand, [entry(2, "undo", "case-003")], NOW + deck.UNDO_MS - 1)
    assert hand.failed == []
    assert next(iter(hand.cases)) == "case-003"
    assert verdicts(db)["case-003"] == ("open", None)
    deck.apply(db, ANNA, hand, [entry(3, "blacklist", "case-003"), entry(4, "undo", "case-003")], NOW)
    assert hand.decided == 0


def test_what_cannot_be_done_is_told_and_the_rest_is_done(db: Database) -> None:
    hand = hand_of(db)
    late = NOW + claims.LEASE_MS + 1
    claims.claim(db, BEN, late)  # Anna was away: Ben has them now
    claims.give_back(db, BEN, ["case-001"], late)
    claims.claim(db, ANNA, late)
    log = [entry(1, "release", "case-000"), entry(2, "release", "case-001"), entry(3, "explode", "case-001")]
    deck.apply(db, ANNA, hand, log, late)
    assert [told[:2] for told in hand.failed] == [(1, "case-000"), (3, "case-001")]
    assert "ben" in deck.failures(EN, hand)[0]["text"]
    assert verdicts(db)["case-000"] == ("open", None)
    assert verdicts(db)["case-001"] == ("decided", "release")


def test_the_verdict_on_all_ports_of_a_campaign_and_its_undo(db: Database) -> None:
    ids = [f"case-00{n}" for n in range(3)]
    t = schema.cases
    with db.write() as connection:
        connection.execute(update(t).where(t.c.id.in_(ids)).values(campaign="c0123456789abcdef"))
    hand = hand_of(db, SHU)
    cards = {card["id"]: card["covered"] for card in deck.cards(EN, hand)}
    ports = [[f"1069000{n}", 153] for n in range(3)]
    assert cards["case-000"] == {"cases": 3, "messages": 459, "ports": ports}
    assert cards["case-003"] is None
    deck.apply(db, SHU, hand, [{**entry(1, "reject", "case-000"), "all_ports": True}], NOW)
    assert [verdicts(db)[case] for case in ids] == [("decided", "reject")] * 3
    assert hand.decided == 3
    deck.apply(db, SHU, hand, [{**entry(2, "undo", "case-000"), "all_ports": True}], NOW + 1)
    assert [verdicts(db)[case] for case in ids] == [("open", None)] * 3
    assert (hand.decided, hand.failed) == (0, [])


@pytest.mark.parametrize("verdict", ["reject", "blacklist"])
def test_a_page_loaded_again_takes_back_a_verdict_on_all_ports_whole(db: Database, verdict: str) -> None:
    ids = [f"case-00{n}" for n in range(4)]
    t = schema.cases
    with db.write() as connection:
        connection.execute(update(t).where(t.c.id.in_(ids)).values(campaign="c0123456789abcdef"))
    hand = hand_of(db, SHU)
    deck.apply(db, SHU, hand, [{**entry(1, "release", "case-003"), "took": 900}], NOW)
    log = [
        {**entry(2, verdict, "case-000"), "all_ports": True, "took": 900},
        {**entry(3, "undo", "case-000"), "all_ports": True},
    ]
    deck.refill(db, SHU, hand, NOW, touched=True)
    deck.apply(db, SHU, hand, log[:1], NOW)
    assert ("open", None) not in [verdicts(db)[case] for case in ids] or verdict == "blacklist"
    again = hand_of(db, SHU)
    deck.apply(db, SHU, again, log, NOW + 1)
    assert [verdicts(db)[case] for case in ids[:3]] == [("open", None)] * 3
    assert again.failed == []
    with db.read() as connection:
        assert connection.scalars(select(t.c.id).where(t.c.first_by.is_not(None))).all() == []
    assert verdicts(db)["case-003"] == ("decided", "release"), "a verdict of its own stays, though given at this time"


def test_a_reviewer_sees_no_other_ports_of_a_campaign(db: Database) -> None:
    t = schema.cases
    with db.write() as connection:
        connection.execute(update(t).values(campaign="c0123456789abcdef"))
    hand = hand_of(db, User("ben", Role.REVIEWER))
    assert all(card["covered"] is None for card in deck.cards(EN, hand))
    deck.apply(db, User("ben", Role.REVIEWER), hand, [{**entry(1, "reject", "case-000"), "all_ports": True}], NOW)
    assert "review" in deck.failures(EN, hand)[0]["text"]
    assert verdicts(db)["case-000"] == ("open", None)


def test_a_case_that_grew_unseen_comes_back_as_it_is_now(db: Database) -> None:
    hand = hand_of(db)
    before = next(card for card in deck.cards(EN, hand) if card["id"] == "case-000")
    m = schema.case_members
    with db.write() as connection:
        connection.execute(update(m).where(m.c.case == "case-000", m.c.number == before["seen"]).values(asks="another"))
    log = [{**entry(1, "release", "case-000"), "seen": before["seen"] - 1}]
    assert deck.apply(db, ANNA, hand, log, NOW)
    assert "grown by 51 messages" in deck.failures(EN, hand)[0]["text"]
    deck.refill(db, ANNA, hand, NOW, touched=True)
    assert "case-000" in hand.cases
    assert "case-000" not in hand.cards


def test_who_is_away_gives_back_what_is_not_on_screen(db: Database) -> None:
    hand = hand_of(db)
    assert len(hand.cases) == len(CASES)
    later = NOW + deck.AWAY_MS
    deck.refill(db, ANNA, hand, later, touched=False)
    assert len(hand.cases) == 1, "the lease of the case on screen runs on for its ten minutes"
    assert len(claims.claim(db, BEN, later)) == len(CASES) - 1
    claims.give_back(db, BEN, list(claims.in_hand(db, BEN, later)), later)
    over = NOW + claims.LEASE_MS + 1
    deck.refill(db, ANNA, hand, over, touched=False)
    assert hand.cases == {}
    assert len(claims.claim(db, BEN, over)) == len(CASES)
    deck.refill(db, ANNA, hand, over, touched=False)
    assert hand.cases == {}


def test_a_sign_of_life_renews_the_leases(db: Database) -> None:
    hand = hand_of(db)
    assert deck.apply(db, ANNA, hand, [entry(1, "here", "")], NOW + 60_000)
    deck.refill(db, ANNA, hand, NOW + 60_000, touched=True)
    assert {view.lease_until for view in hand.cases.values()} == {NOW + 60_000 + claims.LEASE_MS}


def test_a_hand_is_kept_however_many_cases_of_others_are_due_before(db: Database) -> None:
    hand = hand_of(db)
    t = schema.cases
    with db.write() as connection:
        connection.execute(
            t.insert(),
            [
                {
                    "id": f"other-{n}",
                    "port": "10690000",
                    "fingerprint": f"g{n}",
                    "state": "open",
                    "rule": "r",
                    "content": "",
                    "opened_at": 0,
                    "due_at": 0,
                }
                for n in range(201)
            ],
        )
    before = set(hand.cases)
    deck.refill(db, ANNA, hand, NOW, touched=False)
    assert len(before) == len(CASES)
    assert before < set(hand.cases)
    assert len(hand.cases) == deck.IN_HAND


def test_a_port_suspended_meanwhile_is_told_before_a_release_sends_nothing(db: Database) -> None:
    hand = hand_of(db)
    port = hand.cases["case-000"].port
    assert not any(card["stopped"] for card in deck.cards(EN, hand))
    registry.suspend_port(db, User("olga", Role.OPERATOR), port, "complaints", "", NOW)
    deck.refill(db, ANNA, hand, NOW, touched=False)
    told = {card["id"]: card["stopped"] for card in deck.cards(EN, hand)}
    assert told["case-000"] == "The port is suspended: a release sends nothing while it is"
    assert {case for case, text in told.items() if text} == {c for c, v in hand.cases.items() if v.port == port}
    assert deck.cards(language.text("zh"), hand)[0]["stopped"] == "端口已暂停：暂停期间放行也不会发送"
    registry.terminate(db, User("ada", Role.ADMINISTRATOR), port, "fraud", "", NOW)
    deck.refill(db, ANNA, hand, NOW, touched=False)
    assert deck.cards(EN, hand)[0]["stopped"] == "The port is terminated: a release sends nothing"


def test_a_hand_at_a_place_holds_cases_of_it_only(db: Database) -> None:
    hand = deck.Hand(place={"port": "10690001"}, seen_at=NOW)
    deck.refill(db, ANNA, hand, NOW, touched=True)
    assert {view.port for view in hand.cases.values()} == {"10690001"}


def test_a_check_looks_like_a_case_and_decides_nothing(db: Database) -> None:
    hand = hand_of(db)
    claims.decide(db, ANNA, "case-005", "reject", "", NOW, 10**6)
    with db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id == "case-005").values(state="effective"))
        ids = [{"case": "x", "kind": "verdict", "reviewer": "anna", "verdict": "reject", "at": NOW}] * 20
        connection.execute(insert(schema.opinions), ids)
    checks.make_golden(db, SHU, "case-005", NOW)
    del hand.cases["case-005"]
    hand.decided = 20
    deck.refill(db, ANNA, hand, NOW, touched=True)
    shown = deck.cards(EN, hand)
    assert [card["id"] for card in shown][-1] == "check-case-005"
    assert {frozenset(card) for card in shown} == {frozenset(shown[0])}
    assert deck.apply(db, ANNA, hand, [entry(1, "release", "check-case-005") | {"took": 1500}], NOW)
    assert (hand.decided, hand.failed, "check-case-005" in hand.checks) == (21, [], False)
    assert verdicts(db)["case-005"] == ("effective", "reject")
    with db.read() as connection:
        last = connection.execute(select(schema.opinions).order_by(schema.opinions.c.id.desc()).limit(1)).one()
    assert (last.kind, last.verdict, last.expected, last.expected_by, last.took_ms) == (
        "golden", "release", "reject", "shu", 1500,
    )  # fmt: skip
    deck.apply(db, ANNA, hand, [entry(2, "undo", "check-case-005")], NOW)
    assert (hand.decided, "check-case-005" in hand.checks) == (20, True)
    deck.apply(db, ANNA, hand, [entry(3, "reject", "check-another")], NOW)
    assert hand.failed == [], "a page that was loaded again has lost the card, and nothing was decided by it"


def test_reviewers_share_what_waits(db: Database) -> None:
    t = schema.cases
    more = {"port": "10690000", "state": "open", "rule": "r", "content": "", "opened_at": NOW, "due_at": NOW + 10**7}
    with db.write() as connection:
        connection.execute(t.insert(), [more | {"id": f"more-{n}", "fingerprint": f"g{n}"} for n in range(66)])
    hands = [hand_of(db, user) for user in (ANNA, BEN, SHU)]
    assert [len(hand.cases) for hand in hands] == [60, 12, 24]
    deck.leave(db, ANNA, hands[0], NOW)
    deck.refill(db, SHU, hands[2], NOW, touched=True)
    assert len(hands[2].cases) == 36, "half of 72"


@pytest.mark.parametrize(
    ("here", "told"),
    [
        (Here(0, 0, 0, 0, 0), "No case waits for review."),
        (Here(0, 0, 0, 1234, 0), "Nothing waits here; 1,234 wait elsewhere."),
        (Here(3, 2, 1, 9, 1), "3 open here: 2 are with others, and you skipped 1."),
        (Here(4, 2, 1, 9, 1), "Fetching the next cases…"),
    ],
)
def test_an_empty_hand_says_why(here: Here, told: str) -> None:
    assert deck.idle(EN, here, away=False)[0] == told
    assert "Paused" in deck.idle(EN, here, away=True)[0]


def test_a_verdict_tells_until_when_it_can_be_taken_back(db: Database) -> None:
    hand = hand_of(db)
    deck.apply(db, ANNA, hand, [entry(1, "reject", "case-000")], NOW)
    deck.refill(db, ANNA, hand, NOW + 1, touched=True)
    assert hand.undo_until == {"case-000": NOW + deck.UNDO_MS}
    deck.refill(db, ANNA, hand, NOW + deck.UNDO_MS, touched=True)
    assert hand.undo_until == {}
    deck.apply(db, ANNA, hand, [entry(2, "reject", "case-001"), entry(3, "undo", "case-001")], NOW + 60_000)
    assert (hand.undo_until, hand.failed) == ({}, []), "what comes together is taken back however late it comes"


def test_leaving_gives_back(db: Database) -> None:
    hand = hand_of(db)
    deck.leave(db, ANNA, hand, NOW)
    assert len(claims.claim(db, BEN, NOW)) == len(CASES)


def test_a_card_marks_the_reasons_words_and_what_differs(db: Database) -> None:
    hand = hand_of(db)
    seen = Span(11, 16, "额度已审批", "raw")
    size = CampaignSize("c0", 1200, 4, 9)
    parts = ScoreParts((ScorePart(11, 16, 2.25),), -1.0)
    said = Explained((Why("word", "hold", "a word", "{}", (seen,)),), size, parts)
    deck.explain(hand, lambda cases: {"case-000": said}, NOW)
    card = deck.cards(EN, hand)[0]
    assert ("额度已审批", "r0") in card["text"]
    assert card["reasons"][0]["words"] == ["额度已审批"]
    assert card["score_parts"] == ["额度已审批 +2.2", "all others -1.0"]
    assert card["campaign"] == "1,200 messages, 4 ports, 9 senders"
    assert [piece for piece in card["samples"][0] if piece[1] == "other"] == [("6", "other")]
    assert (card["submissions"], card["messages"], card["variants"]) == (3, 153, 3)
    assert [slot["kind"] for slot in card["slots"]] == ["Digits"]
    assert card["slots"][0]["values"] == [[("30", "")], [("60", "")], [("70", "")]]


def test_a_disguised_word_is_shown_as_written_and_as_read() -> None:
    text = "代开发*票 加V信ab123"
    assert deck.found(EN, text, Span(2, 5, "发票", "joined")) == "发*票 → 发票 (marks between)"
    assert deck.found(EN, text, Span(0, 2, "代开", "normal")) == "代开"
    assert deck.found(EN, text, Span(6, 14, "wechat", "contact")) == "加V信ab123 → WeChat (contact)"


def test_reasons_that_come_later_are_shown_then(db: Database) -> None:
    hand = hand_of(db)
    assert deck.cards(EN, hand)[0]["reasons"] == []
    deck.explain(hand, lambda cases: {"case-000": Explained((Why("word", "hold", "a word", "{}", ()),))}, NOW)
    assert len(deck.cards(EN, hand)[0]["reasons"]) == 1


def test_a_key_does_not_ask_the_lake_again(db: Database) -> None:
    hand = hand_of(db)
    first = list(hand.cases)
    asked: list[list[str]] = []

    def find(cases: list[str]) -> dict[str, Explained]:
        asked.append(cases)
        return {case: Explained(()) for case in cases if case != "case-001"}  # the lake does not have it yet

    deck.explain(hand, find, NOW)
    for seq in (1, 2):
        deck.apply(db, ANNA, hand, [entry(seq, ("reject", "undo")[seq - 1], "case-000")], NOW + seq)
        deck.refill(db, ANNA, hand, NOW + seq, touched=True)
        deck.explain(hand, find, NOW + seq)
    assert asked == [first], "a case that is taken back is explained"
    deck.explain(hand, find, NOW + deck.EXPLAIN_AGAIN_MS)
    assert asked == [first, ["case-001"]]


def test_cases_at_the_end_of_the_hand_are_explained_together(db: Database) -> None:
    hand = hand_of(db)
    hand.cases |= {f"more-{n}": hand.cases["case-000"] for n in range(deck.IN_HAND - len(CASES))}
    hand.explained = dict.fromkeys(list(hand.cases)[: deck.AHEAD], deck.NOT_YET)
    asked: list[int] = []

    def find(cases: list[str]) -> dict[str, Explained]:
        asked.append(len(cases))
        return {}

    deck.explain(hand, find, NOW)
    assert asked == []
    del hand.cases["case-000"]
    deck.explain(hand, find, NOW)
    assert asked == [deck.IN_HAND - deck.AHEAD]


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70), st.sampled_from(["r0", "r1"])), max_size=6),
)
def test_pieces_are_the_text(text: str, spans: list[tuple[int, int, str]]) -> None:
    pieces = deck.segments(text, spans)
    back = "".join(chr(int(piece[2:], 16)) if mark == "unseen" else piece for piece, mark in pieces)
    assert back == text
    for piece, mark in pieces:
        if mark != "unseen":
            assert not any(c in piece for c in "\u200b\u202e\u2066\ufeff\x00\x1b"), "nothing works unseen"


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_not_marked_is_in_both(base: str, other: str) -> None:
    kept = "".join(piece for piece, mark in deck.differences(base, other) if mark == "")
    rest = iter(base)
    assert all(any(c == found for found in rest) for c in kept)


def test_beside_the_text_stands_what_the_port_did_before_and_its_rule(db: Database) -> None:
    with db.write() as connection:
        connection.execute(
            insert(schema.configurations).values(
                kind="policy", name="policy.yaml", version="v", value=POLICY, author="shu", created_at=NOW
            )
        )
        connection.execute(
            insert(schema.in_force).values(kind="policy", name="policy.yaml", version="v", since_epoch=1, since=NOW)
        )
        for n, (at, settled) in enumerate(((NOW - 1, None), (NOW - 2, "shu"), (NOW - 31 * DAY_MS, None))):
            row = {"id": f"c{n}", "port": "10690000", "recipient": "13800138000", "source": "hotline"}
            extra = {"complained_at": at, "received_at": at, "settled_by": settled}
            connection.execute(insert(schema.complaints).values(**row, **extra))
    hand = hand_of(db)
    deck.look_beside(db, ANNA, hand, NOW)
    port = deck.ports(EN, hand)["10690000"]
    assert (port["owner"], port["tier"], port["state"]) == ("南方通信", "high risk", "open")
    assert port["signatures"] == ["【惠民易贷】"]
    assert (port["complained"], len(port["complaints"])) == (1, 2), "one was settled as about no message of the port"
    assert port["verdicts"] == []
    assert port["hours"] == "60 minutes of review hours count: 08:30–17:30 on working days, Asia/Shanghai"
    assert deck.conditions(hand) == {"bulk-unreviewed": "messages > 50"}
    deck.apply(db, ANNA, hand, [entry(1, "reject", "case-000")], NOW)
    deck.look_beside(db, ANNA, hand, NOW)
    assert "10690000" not in deck.ports(EN, hand), "no card is of it now"
    assert beside.port_facts(db, BEN, ["10690000"], NOW)["10690000"].verdicts == (
        beside.Given(NOW, "reject", "bulk-unreviewed"),
    )
    assert beside.port_facts(db, User("ben", Role.REVIEWER, {"province": "北京"}), ["10690000"], NOW) == {}
