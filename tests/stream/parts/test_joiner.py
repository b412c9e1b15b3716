"""Parts become one submission, whatever their order, repetitions and the restarts in between."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import topics
from pipeline.decision.configuration import default_policy, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import DeadLetter, Origin, Part, Priority, Submission, Verdict, encode
from pipeline.kafka.dead_letter_limit import TooManyDeadLettersError
from pipeline.kafka.polled import Polled
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from pipeline.stream.parts.joiner import Joiner
from tests.harness.link_parts import NOW, PORT, parts_of
from tests.ingest.links.test_wap_push import octets

SETTINGS = Settings(_env_file=None)
MINUTE = 60_000


class Stage:
    """A joiner with its changelog; `restart` continues from what was written."""

    def __init__(self) -> None:
        self.joiner, self.changelog, self.outputs = Joiner(SETTINGS), dict[bytes, bytes](), list[Any]()
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.joiner = Joiner(SETTINGS)
        self.joiner.own({0: dict(self.changelog)})

    def turn(self, *parts: Part, ended: bool = False, now: int = NOW) -> None:
        polled = []
        for part in parts:
            polled.append(Polled(0, topics.PARTS.name, 0, self.offset, b"", encode(part), 0))
            self.offset += 1
        self.take(polled, ended, now)

    def take(self, polled: list[Polled], ended: bool = False, now: int = NOW) -> None:
        turn = self.joiner.turn(polled, [0] if ended else [], now)
        self.outputs += turn.outputs
        for key, value, _ in turn.changes:
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value
        self.joiner.committed(turn)

    @property
    def submissions(self) -> list[Submission]:
        return [
            msgspec.json.decode(value, type=Submission)
            for topic, _, value, _ in self.outputs
            if topic != topics.DEAD_LETTERS.name
        ]


TEXTS = st.lists(st.text("您好ab😀", min_size=161, max_size=400), min_size=1, max_size=4)


@given(TEXTS, st.randoms(use_true_random=False))
def test_restarts_change_nothing(texts: list[str], random: Random) -> None:
    """One reference for all: repetitions, mixed messages, missing parts; the clock moves."""
    sent = [(n, part) for n, text in enumerate(texts) for part in parts_of(text, str(n))]
    sent += random.sample(sent, len(sent) // 2)
    random.shuffle(sent)
    with_restarts, without = Stage(), Stage()
    for place, (_, part) in enumerate(sent):
        at, ended = NOW + 5000 * place, random.random() < 0.3
        stamped = msgspec.structs.replace(part, submission=msgspec.structs.replace(part.submission, accepted_at=at))
        for stage in (with_restarts, without):
            stage.turn(stamped, ended=ended, now=at)
        if random.random() < 0.3:
            with_restarts.restart()
    for stage in (with_restarts, without):
        stage.turn(ended=True, now=NOW + 100 * MINUTE)
    assert with_restarts.outputs == without.outputs
    assert with_restarts.changelog == without.changelog
    assert with_restarts.joiner.open == without.joiner.open == 0


def test_the_whole_has_the_id_of_its_first_part_and_the_report_ids_of_all() -> None:
    stage = Stage()
    first, second = parts_of("长" * 100, "a")
    stage.turn(second, now=NOW)
    assert stage.submissions == []
    stage.turn(first)
    (whole,) = stage.submissions
    assert (whole.id, whole.content, whole.port) == ("a.1", "长" * 100, PORT)
    assert whole.origin == Origin(account="900001", protocol="cmpp", ids=("a.1", "a.2"))
    assert (whole.missing_parts, whole.mixed_parts) == ((), False)
    assert [(topic, key, partition) for topic, key, _, partition in stage.outputs] == [
        (topics.SUBMISSIONS_EXPRESS.name, PORT.encode(), -1)
    ]


def test_only_parts_that_want_a_report_are_reported() -> None:
    stage = Stage()
    first, second = parts_of("长" * 100, "a")
    silent = msgspec.structs.replace(
        first.submission, origin=Origin(account="900001", protocol="cmpp", failures_only=True)
    )
    stage.turn(msgspec.structs.replace(first, submission=silent), second)
    assert stage.submissions[0].origin == Origin(account="900001", protocol="cmpp", ids=("a.2",))


def test_a_repeated_part_changes_nothing_also_after_the_end() -> None:
    stage = Stage()
    first, second = parts_of("长" * 100, "a")
    stage.turn(first, first, second)
    stage.restart()
    stage.turn(second, first)
    assert len(stage.submissions) == 1
    assert stage.joiner.open == 0


def test_a_missing_part_is_waited_for_then_the_rest_is_judged_and_says_so() -> None:
    stage = Stage()
    first, _, third = parts_of("一" * 67 + "二" * 67 + "三" * 10, "a")
    stage.turn(first, third)
    stage.turn(ended=True, now=NOW + MINUTE - 1)
    assert stage.submissions == []
    assert stage.joiner.due(NOW + MINUTE - 1) == []
    assert stage.joiner.due(NOW + MINUTE) == [0]
    stage.turn(ended=True, now=NOW + MINUTE)
    (rest,) = stage.submissions
    assert rest.content == "一" * 67 + "\ufffd" + "三" * 10
    assert rest.missing_parts == (2,)


def test_a_part_that_waited_on_the_topic_is_not_late() -> None:
    """The role was away for an hour: what counts is when parts came, while there are parts left to read."""
    stage = Stage()
    first, second = parts_of("长" * 100, "a")
    stage.turn(first, now=NOW + 60 * MINUTE)
    stage.turn(second, now=NOW + 60 * MINUTE)
    (whole,) = stage.submissions
    assert whole.missing_parts == ()


def test_two_messages_under_one_reference_are_both_sent_and_say_so() -> None:
    stage = Stage()
    one, other = parts_of("甲" * 100, "a"), parts_of("乙" * 100, "b")
    stage.turn(one[0], other[0], one[1], other[1])
    assert [s.content for s in stage.submissions] == ["甲" * 100, "乙" * 100]
    assert all(s.mixed_parts for s in stage.submissions)


def test_a_submission_to_many_stays_one_and_takes_the_bulk_lane() -> None:
    stage = Stage()
    people = tuple(f"138{n:08d}" for n in range(60))
    stage.turn(*parts_of("长" * 100, "a", recipients=people, priority=Priority.BULK))
    (whole,) = stage.submissions
    assert whole.recipients == people
    assert stage.outputs[0][0] == topics.SUBMISSIONS_BULK.name


def test_senders_and_recipients_do_not_mix() -> None:
    stage = Stage()
    first, second = parts_of("长" * 100, "a")
    for fields in ({"port": PORT + "1"}, {"recipients": ("13800000002",)}):
        other = msgspec.structs.replace(second.submission, **fields)
        stage.turn(msgspec.structs.replace(second, submission=other))
    stage.turn(first)
    assert stage.submissions == []
    assert stage.joiner.open == 3


def test_a_record_that_is_no_part_becomes_a_dead_letter_and_costs_itself_only() -> None:
    stage = Stage()
    first, second = parts_of("长" * 100, "a")
    stage.turn(first)
    stage.take([Polled(0, topics.PARTS.name, 0, 7, b"", b"{}", 0)])
    stage.turn(msgspec.structs.replace(second, alphabet="KLINGON"))
    assert [topic for topic, *_ in stage.outputs] == [topics.DEAD_LETTERS.name] * 2
    stage.turn(second)
    assert len(stage.submissions) == 1


def pieces_of_a_push(ident: str) -> list[Part]:
    """A WAP push (the published sample) in two parts."""
    whole = octets()
    return [
        msgspec.structs.replace(part, octets=piece, alphabet="BINARY", push=True)
        for part, piece in zip(parts_of("长" * 100, ident), (whole[:40], whole[40:]), strict=True)
    ]


@pytest.mark.parametrize("restarted", [False, True])
def test_the_parts_of_a_push_that_is_never_whole_are_kept_and_may_be_sent_again(restarted: bool) -> None:
    stage = Stage()
    first, second = pieces_of_a_push("a")
    stage.turn(first)
    if restarted:
        stage.restart()
    stage.turn(ended=True, now=NOW + MINUTE)
    stage.turn(
        msgspec.structs.replace(
            second, submission=msgspec.structs.replace(second.submission, accepted_at=NOW + 2 * MINUTE)
        )
    )
    stage.turn(ended=True, now=NOW + 3 * MINUTE)
    assert stage.submissions == []
    letters = [(name, msgspec.json.decode(value, type=DeadLetter)) for _, name, value, _ in stage.outputs]
    assert [name for name, _ in letters] == [b"parts/0/a.1", b"parts/0/a.2"]
    assert all("whole WAP push" in letter.cause for _, letter in letters)
    again = [letter.value or b"" for _, letter in letters]
    stage.turn(ended=True, now=NOW + 7 * MINUTE)
    stage.take([Polled(0, topics.PARTS.name, 0, 90 + n, b"", value, 1) for n, value in enumerate(again)])
    (whole,) = stage.submissions
    assert whole.push == octets()


def test_when_nearly_all_are_no_parts_nothing_is_set_aside() -> None:
    stage = Stage()
    with pytest.raises(TooManyDeadLettersError):
        stage.take([Polled(0, topics.PARTS.name, 0, n, b"", b"{}", 0) for n in range(60)])
    assert stage.outputs == []


@pytest.mark.long
def test_a_word_that_lies_across_two_parts_is_found() -> None:
    """Neither part alone has the word."""
    text = "尊敬的客户" * 13 + "澳门" + "赌场开业，注册送彩金，点击 http://a.example.com 下注" + "尊敬的客户" * 10
    config = load_directory(None)
    policy = parse_policy(default_policy())
    config = replace(config, epoch=1, policy=policy, ports=Ports([Port(PortEntry(code=PORT))]))
    parts = parts_of(text, "a")
    stage = Stage()
    stage.turn(*parts)

    def words(submission: Submission) -> set[str]:
        (outcome,) = screen([submission], MemoryCounters(), config, NOW)
        assert isinstance(outcome, Screened)
        return {span.word for reason in outcome.decision.reasons for span in reason.spans}

    (whole,) = stage.submissions
    alone = set().union(*(words(part.submission) for part in parts))
    assert "澳门赌场" in words(whole) - alone
    (outcome,) = screen([whole], MemoryCounters(), config, NOW)
    assert isinstance(outcome, Screened)
    assert outcome.decision.verdict in (Verdict.REJECT, Verdict.BLACKLIST, Verdict.REVIEW)
