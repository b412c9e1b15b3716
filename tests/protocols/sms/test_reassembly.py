"""Parts of long messages come together whatever their way, and nothing that was taken is lost."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.sms.alphabet import Alphabet, of_chinese_coding
from pipeline.protocols.sms.header import WAP_PUSH, Concatenation, write_header
from pipeline.protocols.sms.reassembly import End, Joined, Limits, Part, Reassembly
from pipeline.protocols.sms.short_message import ShortMessage, short_message
from pipeline.protocols.sms.text import parts as cut
from pipeline.protocols.sms.tpdu import Submit, read_tpdu
from tests.protocols.sms.test_wap_push import SAMPLE

LONG = "中奖了" * 60


def part(number: int, content: str = "", total: int = 2, at: int = 0, **fields: Any) -> Part:
    values: dict[str, Any] = {"id": f"{number}@{at}", "port": "10690001", "recipient": "138"} | fields
    place = Concatenation(values.pop("reference", 7), total, number, values.pop("width", 1))
    octets = content.encode("utf-16-be") or f"part {number}!".encode("utf-16-be")
    return Part(place=place, message=ShortMessage(alphabet=Alphabet.UTF_16, content=octets), at=at, **values)


def received(content: bytes, coding: int, ident: str, headed: bool = True, place: Concatenation | None = None) -> Part:
    """A part as a port sends it."""
    message = short_message(content, of_chinese_coding(coding), headed, place)
    assert message.place is not None
    return Part(id=ident, port="10690001", recipient="138", place=message.place, message=message, at=0)


def parts_of(text: str, reference: int = 7) -> list[Part]:
    """The parts of a text as a port sends them."""
    return [received(one.content, one.coding, f"{reference}/{one.number}") for one in cut(text, reference)]


def take(reassembly: Reassembly, taken: Iterable[Part]) -> list[Joined]:
    return [joined for one in taken for joined in reassembly.take(one).closed]


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=161, max_size=900),
    st.randoms(use_true_random=False),
    st.integers(0, 255),
)
def test_parts_in_any_order_and_twice_are_joined_once(text: str, random: Random, reference: int) -> None:
    sent = parts_of(text, reference)
    again = [*sent, *random.sample(sent, len(sent) // 2)]
    random.shuffle(again)
    reassembly = Reassembly()
    (joined,) = take(reassembly, again)
    assert joined.text == text
    assert (joined.missing, joined.end, joined.suspect, joined.late) == ((), End.WHOLE, False, False)
    assert reassembly.parts == 0


def test_a_repeated_part_names_the_first_and_changes_nothing() -> None:
    reassembly = Reassembly()
    first, second = parts_of("长" * 100)
    assert reassembly.take(first).repeats is None
    again = Part(**{name: getattr(first, name) for name in first.__struct_fields__} | {"id": "again", "at": 10})
    assert reassembly.take(again).repeats == first.id
    (joined,) = reassembly.take(second).closed
    assert [one.id for one in joined.parts] == [first.id, second.id]
    assert reassembly.take(again) == (first.id, ())  # after the end too
    assert reassembly.parts == 0


def test_a_repetition_is_forgotten_after_a_time() -> None:
    reassembly = Reassembly(Limits(remember=1000))
    take(reassembly, [part(1), part(2)])
    assert reassembly.take(part(1, at=999)).repeats == "1@0"
    assert reassembly.take(part(1, at=1000)).repeats is None


def test_a_message_with_a_missing_part_is_closed_at_its_deadline_and_says_so() -> None:
    reassembly = Reassembly(Limits(wait=60_000))
    take(reassembly, [part(1, "发", total=3, at=1000), part(3, "票", total=3, at=50_000)])
    assert reassembly.due() == 61_000
    assert reassembly.expire(60_999) == ()
    (joined,) = reassembly.expire(61_000)
    assert (joined.missing, joined.end) == ((2,), End.DEADLINE)
    assert joined.text == "发\ufffd票"
    assert reassembly.due() is None


def test_a_part_behind_the_deadline_is_late() -> None:
    reassembly = Reassembly(Limits(wait=1000))
    (joined,) = take(reassembly, [part(1, at=0), part(2, "spät", at=1000)])
    assert (joined.missing, joined.late) == ((2,), False)  # closed before the late part was taken
    (late,) = reassembly.expire(2000)
    assert (late.missing, late.late) == ((1,), True)


def test_two_messages_of_one_reference_are_both_there_and_suspect() -> None:
    reassembly = Reassembly()
    sent = [part(1, "甲一"), part(1, "乙一"), part(2, "甲二"), part(2, "乙二")]
    found = take(reassembly, sent)
    assert [joined.text for joined in found] == ["甲一甲二", "乙一乙二"]
    assert all(joined.suspect for joined in found)


def test_one_message_after_the_other_with_one_reference_is_not_suspect() -> None:
    found = take(Reassembly(), [part(1, "甲一"), part(2, "甲二"), part(1, "乙一"), part(2, "乙二")])
    assert [joined.text for joined in found] == ["甲一甲二", "乙一乙二"]
    assert not any(joined.suspect for joined in found)


def test_ports_recipients_totals_and_widths_do_not_mix() -> None:
    reassembly = Reassembly()
    take(reassembly, [part(1), part(1, port="2"), part(1, recipient="139"), part(1, total=3), part(1, width=2)])
    assert reassembly.parts == 5
    (joined,) = take(reassembly, [part(2, "x")])
    assert {(one.port, one.recipient) for one in joined.parts} == {("10690001", "138")}


def test_a_character_cut_between_two_parts_comes_out_whole() -> None:
    octets = "😀".encode("utf-16-be")
    sent = [
        received(half, 8, str(n), headed=False, place=Concatenation(1, 2, n, 2))
        for n, half in enumerate([octets[:2], octets[2:]], 1)
    ]
    (joined,) = take(Reassembly(), sent)
    assert joined.text == "😀"


def test_parts_in_different_codings_are_one_text() -> None:
    sent = [
        received(b"\x05\x00\x03\x01\x03\x01" + "您".encode("gbk"), 15, "1"),
        received(b"\x05\x00\x03\x01\x03\x02hi", 0, "2"),
        received(b"\x05\x00\x03\x01\x03\x03\xff", 4, "3"),  # octets, not text
    ]
    (joined,) = take(Reassembly(), sent)
    assert joined.text == "您hi"


@given(st.integers(10, 57), st.permutations([0, 1]))
def test_a_push_in_two_parts_gives_its_link(cut_at: int, order: list[int]) -> None:
    tpdu = read_tpdu(bytes.fromhex(SAMPLE)).tpdu
    assert isinstance(tpdu, Submit)
    whole = tpdu.data.message.content
    pieces = [whole[:cut_at], whole[cut_at:]]
    sent = [
        received(write_header(Concatenation(9, 2, n), WAP_PUSH) + piece, 4, str(n)) for n, piece in enumerate(pieces, 1)
    ]
    assert all(one.message.push is None for one in sent)
    (joined,) = take(Reassembly(), [sent[n] for n in order])
    assert joined.push is not None
    assert (joined.push.link, joined.push.text) == ("http://wap.example.com/a?id=1", "恭喜中奖")


def test_a_port_that_opens_too_much_loses_its_own_oldest() -> None:
    reassembly = Reassembly(Limits(most_of_port=3, most=5))
    take(reassembly, [part(1, port="quiet", reference=n) for n in range(2)])
    found = take(reassembly, [part(1, port="loud", reference=n) for n in range(10)])
    assert {one.port for joined in found for one in joined.parts} == {"loud"}
    assert [joined.parts[0].place.reference for joined in found] == list(range(7))
    assert all(joined.end is End.ROOM and joined.missing == (2,) for joined in found)
    assert reassembly.parts == 5


def test_all_ports_together_are_bounded() -> None:
    reassembly = Reassembly(Limits(most_of_port=10, most=12))
    found = take(reassembly, [part(1, port=str(n % 5), reference=n) for n in range(50)])
    assert reassembly.parts == 12
    assert len(found) == 38


_PARTS = st.builds(
    lambda number, total, content, reference, recipient, at: part(
        min(number, total), content, total=total, at=at, reference=reference, recipient=recipient
    ),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from("甲乙丙"),
    st.integers(0, 2),
    st.sampled_from(["138", "139"]),
    st.integers(0, 5000),
)


@given(st.lists(_PARTS, max_size=60), st.integers(1, 8))
def test_every_part_is_repeated_open_or_closed_once(sent: list[Part], room: int) -> None:
    limits = Limits(wait=1000, remember=2000, most_of_port=room, most=2 * room, most_alike=2)
    numbered = [
        Part(**{n: getattr(one, n) for n in one.__struct_fields__} | {"id": str(i)}) for i, one in enumerate(sent)
    ]

    def run() -> tuple[list[Joined], set[str]]:
        reassembly = Reassembly(limits)
        found: list[Joined] = []
        repeated: set[str] = set()
        for one in numbered:
            taken = reassembly.take(one)
            found += taken.closed
            if taken.repeats is not None:
                assert int(taken.repeats) < int(one.id)
                repeated.add(one.id)
            assert reassembly.parts <= limits.most_of_port
        found += reassembly.expire(10**12)
        assert reassembly.expire(2 * 10**12) == ()
        assert reassembly.parts == 0
        assert reassembly.due() is None
        assert not reassembly._closed
        assert not reassembly._unfinished
        return found, repeated

    found, repeated = run()
    closed = [one.id for joined in found for one in joined.parts]
    assert sorted([*closed, *repeated], key=int) == [one.id for one in numbered]
    for joined in found:
        numbers = [one.place.number for one in joined.parts]
        assert sorted([*numbers, *joined.missing]) == list(range(1, joined.parts[0].place.total + 1))
        assert (joined.end is End.WHOLE) == (not joined.missing)
        assert len({(one.port, one.recipient, one.place.reference) for one in joined.parts}) == 1
    assert run() == (found, repeated), "the same calls give the same results"
