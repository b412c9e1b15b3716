"""The review deck: the cases for a reviewer's browser and the log that the browser sends. This module has no Streamlit.

The browser holds the claimed cases and answers keys at once. It sends a numbered log; each entry names an action and
its case. Entries are applied in order, each once. Therefore a decision always applies to the case that was on screen,
and a repeated message changes nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

from dashboards.language import Text
from dashboards.words import count, fault, word
from pipeline.actions.console import beside
from pipeline.actions.console.beside import PortFacts
from pipeline.actions.console.score_parts import ScoreParts
from pipeline.actions.console.why import CampaignSize, Explained, Span
from pipeline.actions.quality import checks
from pipeline.actions.quality.checks import Check
from pipeline.actions.review import campaign_review, claims, places
from pipeline.actions.review.campaign_review import PortCase
from pipeline.actions.review.cases import REVIEW_MINUTES
from pipeline.actions.review.claims import CaseView
from pipeline.actions.review.differences import Slot
from pipeline.actions.review.places import UNDO_MS, Here, Place
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.clock.timetable import CLOSES, OPENS
from pipeline.rules.refusals import SENTENCES, SUGGESTED
from pipeline.store.accounts.roles import Right, User, allowed
from pipeline.store.database import Database

IN_HAND = 60  # most cases claimed ahead: a minute of work at a case a second
FAIR_HAND = 10  # even where reviewers are many, a hand may have this many
REFILL = 40  # with fewer cases in hand, more are claimed
CHECK_PLACE = 5  # cards before a check
AWAY_MS = 180_000  # no new claims after this time without key or mouse
COMPARED = 600  # most characters in a text for a comparison of samples
SLOTS, SLOT_ROWS, SLOT_WIDTH = 4, 6, 40  # columns, rows and characters of the table of what differs
AHEAD = 30  # cards on top of the hand whose reasons must be known; a look into the lake costs more than a verdict
EXPLAIN_AGAIN_MS = 5_000  # until reasons that the lake did not have are asked for again
BESIDE_MS = MINUTE_MS  # how long what is known of ports and rules is shown before it is read again
LONGEST_CONDITION = 600  # characters of a rule's condition that are shown
COVERED_ROWS = 8  # ports of a campaign that are listed
NOT_YET = Explained(())
VERDICTS = {"release": Verdict.RELEASE, "reject": Verdict.REJECT, "blacklist": Verdict.BLACKLIST}

Segment = tuple[str, str]  # a piece of text and its mark ("" for none)


@dataclass
class Hand:
    """The cases of one browser tab and the last applied entry of its log. It lives as long as the tab's session."""

    place: Place = field(default_factory=dict)
    acked: int = 0
    cases: dict[str, CaseView] = field(default_factory=dict)
    explained: dict[str, Explained] = field(default_factory=dict)
    sought: dict[str, int] = field(default_factory=dict)  # by case: when the lake was last asked for its reasons
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[tuple[int, str, str, AntispamError]] = field(default_factory=list)  # entry, case, action, why
    stopped: dict[str, BuiltInRule] = field(default_factory=dict)  # stopped ports and the reason
    covered: dict[str, list[PortCase]] = field(default_factory=dict)  # for senior reviewers: by campaign
    ports: dict[str, PortFacts | None] = field(default_factory=dict)  # of the cards; None: not registered
    rules: dict[str, str] = field(default_factory=dict)  # conditions of the cards' rules; empty: not of the policy
    beside_at: int = 0  # when they were read, epoch ms
    undo_until: dict[str, int] = field(default_factory=dict)  # by case decided: until when it can be taken back
    decided: int = 0
    checks: dict[str, Check] = field(default_factory=dict)  # cards that decide nothing, by their id
    answered: dict[str, Check] = field(default_factory=dict)  # that can be taken back
    checked_at: int = 0  # verdicts when a check was last asked for
    seen_at: int = 0  # time of the reviewer's last key or mouse movement, epoch ms


def apply(db: Database, user: User, hand: Hand, log: Iterable[Mapping[str, Any]], now: int) -> bool:
    """Apply the new entries of the log. Return True if there were any.

    `hand.failed` lists the refused entries, but not one that asks for what is so already, and not one that a later
    entry about the same case overtakes: a page that was loaded again sends all that it had no answer for.
    """
    new = sorted((entry for entry in log if _number(entry) > hand.acked), key=_number)
    if new:
        hand.failed = []
    later = [{str(entry.get("case", "")) for entry in new[place + 1 :]} - {""} for place in range(len(new))]
    for place, entry in enumerate(new):
        hand.acked = _number(entry)
        hand.seen_at = now
        action, case = str(entry.get("action", "")), str(entry.get("case", ""))
        try:
            _do(db, user, hand, entry, now)
        except AntispamError as error:
            if case in later[place] or _is_so(db, user, action, case, now):
                continue
            hand.cards.pop(case, None)  # the next view shows the current state
            hand.failed.append((hand.acked, case, action, error))
    return bool(new)


def _is_so(db: Database, user: User, action: str, case: str, now: int) -> bool:
    """Whether what the entry asks for is the case's state already."""
    if action in VERDICTS:
        return claims.stands(db, user, case, VERDICTS[action])
    return action in ("undo", "skip") and (case in claims.in_hand(db, user, now)) == (action == "undo")


def refill(db: Database, user: User, hand: Hand, now: int, *, touched: bool) -> None:
    """Update the hand: claim more cases if few are left, and renew the leases if the reviewer is active.

    For an inactive reviewer, no case is claimed, no lease is renewed, and all but the case on screen go back. Cases
    without a lease leave the hand. After enough verdicts a check is mixed in.
    The state of ports is read each time, because a port may be suspended while its case is on screen.
    """
    if touched or (len(hand.cases) < REFILL and now - hand.seen_at < AWAY_MS):
        most = _share(places.here(db, user, now, hand.place))
        hand.cases = {view.id: view for view in claims.claim(db, user, now, most, hand.cases, hand.place)}
    else:
        if now - hand.seen_at >= AWAY_MS and len(hand.cases) > 1:
            claims.give_back(db, user, list(hand.cases)[1:], now)
        mine = claims.in_hand(db, user, now)
        hand.cases = {case: view for case, view in hand.cases.items() if case in mine}
    if not hand.checks and hand.cases and hand.decided - hand.checked_at >= checks.CHECK_EVERY:
        hand.checked_at = hand.decided
        found = checks.next_check(db, user, now)
        hand.checks = {found.view.id: found} if found else {}
    hand.undo_until = {case: until for case, until in hand.undo_until.items() if until > now}
    kept = hand.cases.keys() | hand.checks.keys()
    hand.cards = {case: card for case, card in hand.cards.items() if case in kept}
    kept |= hand.undo_until.keys()  # a case that is taken back has the same reasons
    hand.explained = {case: said for case, said in hand.explained.items() if case in kept}
    hand.sought = {case: at for case, at in hand.sought.items() if case in kept}
    hand.stopped = claims.stopped_ports(db, user, {view.port for view in hand.cases.values()})
    if allowed(user, Right.REVIEW_SECOND):
        hand.covered = campaign_review.covered(db, user, {view.campaign for view in hand.cases.values()}, now)


def _share(here: Here) -> int:
    """How many cases a hand may have: an equal share of those at the place."""
    return min(IN_HAND, max(FAIR_HAND, here.cases // (here.reviewers + 1)))


def leave(db: Database, user: User, hand: Hand, now: int) -> None:
    """Give back the cases in hand, so that other reviewers need not wait until the leases expire."""
    claims.give_back(db, user, list(hand.cases), now)
    hand.cases, hand.checks = {}, {}


def _dealt(hand: Hand) -> dict[str, CaseView]:
    """The cards as they lie in the hand: a check is among the cases, not at their end."""
    dealt = list(hand.cases.items())
    dealt[CHECK_PLACE:CHECK_PLACE] = [(ident, check.view) for ident, check in hand.checks.items()]
    return dict(dealt)


def cards(_: Text, hand: Hand) -> list[dict[str, Any]]:
    """The cases in hand as the browser shows them, in the order of the queue."""
    shown = []
    for case, view in _dealt(hand).items():
        explained = hand.explained.get(case, NOT_YET)
        kept = hand.cards.get(case)
        if kept is None or len(kept["reasons"]) != len(explained.reasons):
            kept = hand.cards[case] = _card(_, view, explained)
        stopped = hand.stopped.get(view.port)
        shown.append(
            {
                **kept,
                "second": view.first_verdict is not None,
                "due": view.due_at,
                "lease": view.lease_until,
                "messages": view.messages,
                "submissions": view.submissions,
                "recipients": view.contents.recipients,
                "campaign_id": view.campaign,
                "covered": _covered(hand.covered.get(view.campaign, [])),
                "stopped": stopped and _stopped(_, stopped),
            }
        )
    return shown


def failures(_: Text, hand: Hand) -> list[dict[str, Any]]:
    """The refused entries as the browser shows them."""
    return [
        {"seq": seq, "case": case, "action": action, "text": fault(_, error)}
        for seq, case, action, error in hand.failed
    ]


def segments(text: str, spans: Sequence[tuple[int, int, str]]) -> list[Segment]:
    """The text in pieces: spans have the mark of their reason, and invisible characters become their code."""
    marks = [""] * len(text)
    for start, end, mark in spans:
        for place in range(max(start, 0), min(end, len(text))):
            marks[place] = marks[place] or mark
    pieces: list[Segment] = []
    for character, mark in zip(text, marks, strict=True):
        if _is_unseen(character):
            pieces.append((f"U+{ord(character):04X}", "unseen"))
        elif pieces and pieces[-1][1] == mark:
            pieces[-1] = (pieces[-1][0] + character, mark)
        else:
            pieces.append((character, mark))
    return pieces


def differences(base: str, other: str) -> list[Segment]:
    """The other text in pieces; pieces that differ from the base have the mark `other`."""
    if max(len(base), len(other)) > COMPARED:
        return segments(other, [])
    matcher = SequenceMatcher(None, base, other, autojunk=False)
    changed = [(low, high, "other") for tag, _, _, low, high in matcher.get_opcodes() if tag in ("replace", "insert")]
    return segments(other, changed)


def found(_: Text, text: str, seen: Span) -> str:
    """The place of a reason as written. For a disguised word, the word and the view follow."""
    written = text[seen.start : seen.end]
    if not seen.via or seen.via == "raw" or written == seen.word:
        return written
    return f"{written} → {word(_, seen.word)} ({word(_, seen.via)})"


def campaign_words(_: Text, size: CampaignSize | None) -> str:
    """The size of a campaign as text; empty for None."""
    if size is None:
        return ""
    told = _("{messages} messages, {ports} ports, {senders} senders")
    return told.format(messages=count(size.messages), ports=count(size.ports), senders=count(size.senders))


def _stopped(_: Text, rule: BuiltInRule) -> str:
    if rule is BuiltInRule.PORT_TERMINATED:
        return _("The port is terminated: a release sends nothing")
    return _("The port is suspended: a release sends nothing while it is")


def labels(_: Text) -> dict[str, str]:
    """All texts of the interface in the browser."""
    return {
        "release": _("Release"),
        "reject": _("Reject"),
        "blacklist": _("Blacklist"),
        "all_ports": _("All ports"),
        "all_ports_does": _("The next verdict decides the open cases of this campaign of all these ports."),
        "ports": _("ports"),
        "skip": _("Skip"),
        "undo": _("Undo"),
        "note": _("Note"),
        "snooze": _("Snooze rule"),
        "port": _("Port"),
        "score": _("Score"),
        "rule": _("Rule"),
        "campaign": _("Campaign"),
        "score_parts": _("Score by its parts (log-odds)"),
        "category": _("Category"),
        "due": _("Limit"),
        "lease": _("Lease"),
        "why": _("Why"),
        "message": _("message"),
        "messages": _("messages"),
        "submission": _("submission"),
        "submissions": _("submissions"),
        "samples": _("Other members"),
        "variant": _("different text"),
        "variants": _("different texts"),
        "recipient": _("recipient"),
        "recipients": _("recipients"),
        "growth": _("in the last 5 minutes"),
        "name": _("Name"),
        "enterprise": _("Enterprise"),
        "tier": _("Tier"),
        "signatures": _("Signatures"),
        "none": _("none"),
        "port_verdicts": _("Last verdicts of the port"),
        "port_complaints": _("Complaints about the port"),
        "complained": _("in 30 days"),
        "condition": _("The rule in the policy in force"),
        "until": _("until"),
        "links": _("Open in another tab"),
        "to_search": _("Search"),
        "to_complaints": _("Complaints"),
        "from_case": _("From this case"),
        "to_list": _("List entry"),
        "to_word": _("Word"),
        "to_word_does": _("Select the word in the text first."),
        "slots": _("What differs"),
        "next": _("Next"),
        "in_hand": _("in hand"),
        "waiting": _("open here"),
        "decided": _("decided by you"),
        "title": _("Review"),
        "second": _("Somebody has blacklisted this. Your verdict is the second opinion."),
        "refusal": _("Reason for the sender"),
        "choose": _("choose"),
        "fetching": _("Fetching the next cases…"),
        "overdue": _("overdue"),
        "note_hint": _("Note for the next decision; Enter keeps it, Esc drops it"),
        "undone": _("Taken back"),
        "undo_none": _("Nothing to take back: ten seconds are over"),
        "failed": _("Not done"),
        "taken": _("The case went to somebody else"),
        "opened": _("Opened"),
        "no_reasons": _("The decision is not in the lake yet; the rule above opened the case."),
        "unsent": _("not sent yet"),
        "blacklist_does": _("Refuses all of it and lists the sender; a port is suspended."),
        "release_does": _("Sends all messages of the case."),
        "reject_does": _("Refuses all messages of the case."),
        "snooze_does": _("Opens the form in which the rule is silenced for this port."),
        "skip_does": _("Leaves the case to somebody else for half an hour."),
    }


def refusals(language: str) -> list[tuple[str, str]]:
    """The reasons for a refusal in the order of their digits: code and sentence."""
    return [(refusal.value, sentences[language]) for refusal, sentences in SENTENCES.items()]


def idle(_: Text, here: Here, *, away: bool) -> tuple[str, str]:
    """What an empty hand says: what waits at the place and elsewhere, and a hint."""
    if away:
        return _("Paused: your cases went back to the queue."), _("Press any key to go on.")
    if here.cases > here.others + here.skipped:
        return _("Fetching the next cases…"), ""
    if here.cases:
        told = _("{cases} open here: {others} are with others, and you skipped {skipped}.")
        numbers = {"cases": count(here.cases), "others": count(here.others), "skipped": count(here.skipped)}
        return told.format(**numbers), _("One that becomes free appears here by itself.")
    if here.elsewhere:
        told = _("Nothing waits here; {elsewhere} wait elsewhere.")
        return told.format(elsewhere=count(here.elsewhere)), _("New ones appear here by themselves.")
    return _("No case waits for review."), _("New ones appear here by themselves.")


def explain(hand: Hand, find: Callable[[list[str]], dict[str, Explained]], now: int) -> None:
    """Look up what explains the cases in hand, once AHEAD cards or fewer are explained: all that miss it at once.

    A case that the lake does not have yet is asked for again after EXPLAIN_AGAIN_MS.
    """
    missing = [case for case in hand.cases if case not in hand.explained]
    due = {case for case in missing if now - hand.sought.get(case, 0) >= EXPLAIN_AGAIN_MS}
    if not due.isdisjoint(islice(hand.cases, AHEAD)):
        hand.sought |= dict.fromkeys(due, now)
        hand.explained |= find([case for case in missing if case in due])


def look_beside(db: Database, user: User, hand: Hand, now: int) -> None:
    """Look up the ports and rules of cards that are not known yet, and all of them again after BESIDE_MS."""
    if now - hand.beside_at >= BESIDE_MS:
        hand.ports, hand.rules, hand.beside_at = {}, {}, now
    views = _dealt(hand).values()
    ports = {view.port for view in views} - hand.ports.keys()
    rules = {view.rule for view in views} - hand.rules.keys()
    if ports:
        hand.ports |= dict.fromkeys(ports) | beside.port_facts(db, user, ports, now)
    if rules:
        hand.rules |= dict.fromkeys(rules, "") | beside.rule_texts(db, user, rules)


def ports(_: Text, hand: Hand) -> dict[str, dict[str, Any]]:
    """What stands beside the cards of each registered port, as the browser shows it."""
    return {code: _port(_, facts) for code, facts in hand.ports.items() if facts is not None}


def conditions(hand: Hand) -> dict[str, str]:
    """The policy's text of each rule, cut off."""
    return {rule: when[:LONGEST_CONDITION] for rule, when in hand.rules.items() if when}


def _port(_: Text, facts: PortFacts) -> dict[str, Any]:
    hours = _("{minutes} minutes of review hours count: {opens}–{closes} on working days, {zone}")
    return {
        "name": facts.name,
        "owner": facts.enterprise,
        "owner_code": facts.enterprise_code,
        "tier": word(_, facts.tier),
        "state": word(_, facts.state),
        "signatures": [f"【{signature}】" for signature in facts.signatures],
        "verdicts": [[one.at, word(_, one.verdict), one.verdict, one.rule] for one in facts.verdicts],
        "complaints": [[one.at, word(_, one.source or None)] for one in facts.complaints],
        "complained": facts.complained,
        "zone": facts.zone,
        "hours": hours.format(
            minutes=REVIEW_MINUTES, opens=f"{OPENS:%H:%M}", closes=f"{CLOSES:%H:%M}", zone=facts.zone
        ),
    }


def _do(db: Database, user: User, hand: Hand, entry: Mapping[str, Any], now: int) -> None:
    action, case, seen = str(entry.get("action", "")), str(entry.get("case", "")), entry.get("seen")
    if case.startswith(checks.PREFIX):
        _check(db, user, hand, entry, now)
    elif action in VERDICTS:
        view = hand.cases.pop(case, None)
        note, last = str(entry.get("note", "")), seen if isinstance(seen, int) else 0
        refusal, took = str(entry.get("refusal", "")), _took(entry)
        if entry.get("all_ports") is True and view is not None:
            others = [other.id for other in hand.covered.get(view.campaign, [])]
            verdict = VERDICTS[action]
            done = campaign_review.decide_campaign(
                db, user, case, verdict, note, now, last, others, refusal=refusal, took=took
            )
        else:
            claims.decide(db, user, case, VERDICTS[action], note, now, last, refusal=refusal, took=took)
            done = [case]
        if view is not None:
            hand.ports.pop(view.port, None)  # this is its last verdict now
        hand.undo_until[case] = now + UNDO_MS
        hand.decided += len(done)
    elif action == "skip":
        hand.cases.pop(case, None)
        claims.skip(db, user, case, now)
    elif action == "undo":
        # Read from the database: a page that was loaded again knows no verdict from before.
        others = campaign_review.decided_with(db, user, case) if entry.get("all_ports") is True else []
        claims.undo(db, user, case, now)
        hand.undo_until.pop(case, None)
        for other in others:
            claims.undo(db, user, other, now)
        claims.give_back(db, user, others, now)
        hand.decided = max(0, hand.decided - 1 - len(others))  # a page that was loaded again counts anew
        view = claims.case_view(db, user, case, now)
        hand.ports.pop(view.port, None)
        hand.cases = {case: view, **hand.cases}
    elif action != "here":  # `here` only shows that the reviewer is active
        raise AntispamError(f"unknown action {action!r}")


def _check(db: Database, user: User, hand: Hand, entry: Mapping[str, Any], now: int) -> None:
    """A key on a card that decides nothing; it counts like a verdict, so that it looks like one."""
    action, case = str(entry.get("action", "")), str(entry.get("case", ""))
    if action in VERDICTS and case in hand.checks:
        check = hand.answered[case] = hand.checks.pop(case)
        checks.answer(db, user, check, VERDICTS[action], _took(entry), now)
        hand.undo_until[case] = now + UNDO_MS
        hand.decided += 1
    elif action == "undo" and case in hand.answered:
        check = hand.answered.pop(case)
        checks.take_back(db, user, check, now)
        hand.checks[case] = check
        hand.undo_until.pop(case, None)
        hand.decided -= 1
    elif action == "skip":
        hand.checks.pop(case, None)
    # A page that was loaded again has lost the card; nothing was decided by it.


def _took(entry: Mapping[str, Any]) -> int | None:
    took = entry.get("took")
    return took if isinstance(took, int) else None


def _score_parts(_: Text, content: str, parts: ScoreParts | None) -> list[str]:
    if parts is None:
        return []
    words = [f"{content[part.start : part.end]} {part.log_odds:+.1f}" for part in parts.words]
    rest = _("all others")
    return [*words, f"{rest} {parts.rest:+.1f}"]


def _card(_: Text, view: CaseView, explained: Explained) -> dict[str, Any]:
    reasons = explained.reasons
    spans = [(seen.start, seen.end, f"r{n % 6}") for n, why in enumerate(reasons) for seen in why.spans]
    return {
        "id": view.id,
        "seen": view.last_member,
        "port": view.port,
        "text": segments(view.content, spans),
        "rule": view.rule,
        "score": None if view.score is None else f"{view.score:.2f}",
        "category": word(_, view.category) if view.category else "",
        "category_code": view.category or "",
        "refusal": SUGGESTED.get(view.category or "", ""),
        "score_parts": _score_parts(_, view.content, explained.score_parts),
        "campaign": campaign_words(_, explained.campaign),
        "opened": view.opened_at,
        "samples": [differences(view.content, sample) for sample in view.samples],
        "variants": view.contents.variants,
        "growth": view.contents.growth,
        "slots": _slots(_, view.contents.slots),
        "reasons": [
            {
                "rule": why.rule,
                "verdict": word(_, why.verdict),
                "kind": why.verdict,
                "text": why.message,
                "mark": f"r{n % 6}" if why.spans else "",
                "words": list(dict.fromkeys(found(_, view.content, seen) for seen in why.spans))[:6],
            }
            for n, why in enumerate(reasons)
        ],
    }


def _covered(cases: Sequence[PortCase]) -> dict[str, Any] | None:
    """The ports whose cases the key C adds to the next verdict; None for one port."""
    if len(cases) < 2:
        return None
    ports = [[case.port, case.messages] for case in cases[:COVERED_ROWS]]
    return {"cases": len(cases), "messages": sum(case.messages for case in cases), "ports": ports}


def _slots(_: Text, found: Sequence[Slot]) -> list[dict[str, Any]]:
    """The columns of what differs: those with most different values, in the order of the text."""
    kinds = {"link": _("Link"), "number": _("Digits"), "words": _("Words")}
    widest = sorted(range(len(found)), key=lambda n: -len(set(found[n].values)))[:SLOTS]
    return [
        {
            "kind": kinds[found[n].kind],
            "values": [segments(value[:SLOT_WIDTH], []) for value in found[n].values[:SLOT_ROWS]],
        }
        for n in sorted(widest)
    ]


def _is_unseen(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def _number(entry: Mapping[str, Any]) -> int:
    number = entry.get("seq")
    return number if isinstance(number, int) else 0


__all__ = [
    "UNDO_MS",
    "Hand",
    "apply",
    "cards",
    "conditions",
    "differences",
    "explain",
    "failures",
    "found",
    "idle",
    "labels",
    "leave",
    "look_beside",
    "ports",
    "refill",
    "refusals",
    "segments",
]
