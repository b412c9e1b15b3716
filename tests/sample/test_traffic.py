from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.events import Category, Complaint, Label, Record, Submission, Verdict
from pipeline.rules.templates import Template
from pipeline.sample import episodes, lists
from pipeline.sample.campaigns import BENDS
from pipeline.sample.enterprises import BLACK_PORT, METERED, PORTS
from pipeline.sample.traffic import STORIES, generate
from pipeline.sample.truth import Sample
from pipeline.text.contacts import find_contacts
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch
from tests.harness.examples import examples

START = 1_760_000_000_000
STRETCH = episodes.SIZE * 4  # at the default share of episodes


@cache
def day() -> list[Sample]:
    """Three stretches at a tenth of a benchmark's pace."""
    return list(generate(1, 3 * STRETCH, START, 3 * STRETCH / 100))


def told(story: str) -> list[Sample]:
    return [sample for sample in day() if sample.truth.story == story]


def first(story: str) -> list[Sample]:
    """The story as it is told in the first stretch."""
    return [sample for sample in day()[:STRETCH] if sample.truth.story == story]


@pytest.mark.long
def test_the_same_seed_gives_the_same_traffic() -> None:
    assert list(generate(1, 3 * STRETCH, START, 3 * STRETCH / 100)) == day()


def test_another_seed_gives_other_traffic() -> None:
    ours = {str(sample.body["content"]) for sample in generate(2, 500, START, 5)}
    theirs = {str(sample.body["content"]) for sample in generate(3, 500, START, 5)}
    assert len(ours & theirs) < 100


@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(min_value=0),
    count=st.integers(min_value=0, max_value=2 * episodes.SIZE),
    seconds=st.floats(min_value=0, max_value=86400),
    share=st.floats(min_value=0.05, max_value=1),
)
def test_count_order_and_span_are_as_asked(seed: int, count: int, seconds: float, share: float) -> None:
    samples = list(generate(seed, count, START, seconds, episode_share=share))
    times = [sample.at for sample in samples]
    assert len(samples) == count
    assert times == sorted(times)
    assert all(START <= at <= START + seconds * 1000 for at in times)
    assert len({sample.body["id"] for sample in samples}) == count


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_an_impossible_share_of_episodes_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="episode_share"):
        next(generate(1, 10, START, 1, episode_share=share))


def test_every_story_is_told_and_no_other() -> None:
    assert {sample.truth.story for sample in day()[:STRETCH]} == set(STORIES)


def test_every_verdict_is_the_only_right_one_somewhere() -> None:
    sole = {sample.truth.expected[0] for sample in day() if len(sample.truth.expected) == 1}
    assert sole == {Verdict.RELEASE, Verdict.HOLD, Verdict.REVIEW, Verdict.REJECT}
    assert any(sample.truth.expected == (Verdict.BLACKLIST, Verdict.REJECT) for sample in day())


def test_submissions_and_records_have_an_expected_verdict_and_complaints_none() -> None:
    for sample in day():
        assert bool(sample.truth.expected) == (sample.what != "complaint")
        assert (sample.truth.label is Label.HAM) or sample.truth.category


def test_most_traffic_is_honest() -> None:
    labels = Counter(sample.truth.label for sample in day())
    assert labels[Label.HAM] > 3 * labels[Label.SPAM]


def test_the_stranger_categories_all_occur() -> None:
    found = {sample.truth.category for sample in day()}
    assert found >= set(Category) - {Category.COMPETITOR}


def test_bodies_are_what_the_doors_read() -> None:
    """The wire structs plus what a door adds; nothing else, and no blank left open."""
    for sample in day():
        body = dict(sample.body)
        if sample.what == "submission":
            assert msgspec.convert({**body, "accepted_at": 0}, Submission, strict=True).submitted_at == sample.at
            assert set(body) <= set(Submission.__struct_fields__)
            assert 0 < len(set(body["recipients"])) == len(body["recipients"])
        elif sample.what == "record":
            record = msgspec.convert(body, Record, strict=True)
            assert record.submitted_at == sample.at < (record.done_at or 0)
            assert set(body) <= set(Record.__struct_fields__)
        else:
            assert msgspec.convert(body, Complaint, strict=True).complained_at == sample.at
            assert set(body) <= set(Complaint.__struct_fields__)
        assert body["content"]
        assert not re.search(r"\{[a-z_]+\}", body["content"])


def test_a_named_template_is_registered_and_fits() -> None:
    by_code = {port.code: port for port in PORTS}
    named = [sample.body for sample in day() if "template" in sample.body]
    assert named
    for body in named:
        code = max((code for code in by_code if body["port"].startswith(code)), key=len)
        registered = next(t for t in by_code[code].templates if t.id == body["template"])
        template = Template.parse(registered.id, registered.text, registered.kind)
        normals = normalise_batch([body["content"]])
        assert template.fits(body["content"], find_links(normals)[0], find_contacts(normals)[0]), body["content"]


def test_ports_with_extensions_send_with_further_digits() -> None:
    codes = {port.code for port in PORTS}
    senders = {sample.body["port"] for sample in told("extension")}
    assert senders
    assert not senders & codes


def test_a_person_crosses_the_alert_but_not_the_stop() -> None:
    burst = first("burst-alert")
    assert len({sample.body["sender"] for sample in burst}) == 1
    assert 20 < len(burst) < 50
    assert burst[-1].at - burst[0].at <= 300_000


def test_a_person_is_listed_from_the_fiftieth_message_on() -> None:
    burst = first("burst-listed")
    assert len({sample.body["sender"] for sample in burst}) == 1
    assert burst[-1].at - burst[0].at <= 300_000
    assert all(sample.truth.expected == (Verdict.RELEASE,) for sample in burst[:49])
    assert all(Verdict.RELEASE not in sample.truth.expected for sample in burst[50:])


def test_a_sequence_is_evenly_spaced_whatever_its_order() -> None:
    numbers = [int(sample.body["recipient"]) for sample in first("sequence")]
    steps = {b - a for a, b in zip(sorted(numbers), sorted(numbers)[1:], strict=False)}
    assert numbers != sorted(numbers)
    assert len(steps) == 1
    assert 1 <= steps.pop() <= 4


def test_the_metered_port_is_refused_exactly_above_its_volume() -> None:
    run = first("over-volume")
    limit = METERED[0].limit
    assert {sample.body["port"] for sample in run} == {METERED[0].code}
    assert [Verdict.REJECT in sample.truth.expected for sample in run] == [n >= limit for n in range(len(run))]
    metered = {port.code for port in METERED}
    assert not any(s.body.get("port") in metered for s in day() if s.truth.story != "over-volume")


def test_one_by_one_turns_at_the_fifty_first() -> None:
    run = first("one-by-one")
    assert len({sample.body["port"] for sample in run}) == 1
    assert len({sample.body["content"].split("，", 1)[1] for sample in run}) == 1
    assert len({sample.body["recipients"][0] for sample in run}) == len(run) == 60
    assert [s.truth.expected for s in run] == [(Verdict.HOLD,)] * 50 + [(Verdict.REVIEW,)] * 10
    assert run[-1].at - run[0].at < 10_000


def test_batches_declare_what_they_send() -> None:
    batches = defaultdict(list)
    for sample in told("declared-batch"):
        batches[sample.body["batch"]].append(sample.body)
    for members in batches.values():
        assert members[0]["batch_size"] == sum(len(body["recipients"]) for body in members) > 50
        assert len({body["content"] for body in members}) == 1


@pytest.mark.parametrize("story", ["bulk", "bulk-allowed"])
def test_bulk_has_more_than_fifty_recipients(story: str) -> None:
    assert all(len(sample.body["recipients"]) > 50 for sample in told(story))


def test_bombing_is_many_ports_on_one_victim() -> None:
    run = first("bombing")
    assert len({sample.body["recipients"][0] for sample in run}) == 1
    assert len({sample.body["port"] for sample in run}) > 4


def test_unknown_ports_are_not_registered_and_black_and_shut_ports_are() -> None:
    codes = {port.code for port in PORTS}
    for sample in told("unknown-port"):
        assert not any(sample.body["port"].startswith(code) for code in codes)
    assert {sample.body["port"] for sample in told("black-port")} == {BLACK_PORT}
    assert {sample.body["port"] for sample in told("shut-port")} < codes


def test_listed_recipients_get_an_exception_only_where_the_list_says_so() -> None:
    entries = {entry.value for entry in lists.ENTRIES}
    for sample in told("unsubscribed"):
        ((recipient, verdict),) = sample.truth.exceptions
        code = max((p.code for p in PORTS if sample.body["port"].startswith(p.code)), key=len)
        assert f"{code}:{recipient}" in entries
        assert verdict is Verdict.REJECT
    for sample in told("blocked"):
        ((recipient, _),) = sample.truth.exceptions
        assert recipient in entries
        assert recipient in sample.body["recipients"]
    assert not any(sample.truth.exceptions for sample in told("unsubscribed-notice"))


def test_every_evasion_occurs_on_spam_only() -> None:
    bent = [sample for sample in generate(5, 3 * STRETCH, START, 300) if sample.truth.evasion]
    assert {sample.truth.evasion for sample in bent} == set(BENDS)
    assert all(sample.truth.label is Label.SPAM for sample in bent)


def test_no_link_can_be_opened() -> None:
    for sample in day():
        for host in re.findall(r"https?://([^/\s]+)", sample.body["content"]):
            if host.isascii():
                assert host.endswith(".example")


@pytest.mark.long
def test_people_stay_under_the_limit_unless_the_story_is_about_it() -> None:
    """Everyday talk must not trip the volume rule, even at a benchmark's pace."""
    talkative = {"burst-alert", "burst-listed", "sequence", "allowed-sender", "black-sender"}
    sent: Counter[str] = Counter()
    for sample in generate(6, 20_000, START, 20):
        by_person = sample.what == "record" and not sample.body["sender"].startswith("106")
        if by_person and sample.truth.story not in talkative:
            sent[sample.body["sender"]] += 1
    assert max(sent.values()) < 20
