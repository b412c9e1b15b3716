"""Consents in force: exactly the recorded pairs of scope and number, until their end."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.rules.consents import (
    FOREVER,
    ConsentKind,
    Consents,
    Entry,
    enterprise_scope,
    parse_shard,
    port_scope,
    shard_of,
    shard_text,
)

NOW = 1_760_000_000_000
AGREED, ASKED, REFUSED = ConsentKind.CONSENT, ConsentKind.ASKED, ConsentKind.REFUSED
SCOPES = (port_scope("10690001"), port_scope("10690002"), enterprise_scope("10690001"))
NUMBERS = st.from_regex(r"1[3-9][0-9]{3}0000[0-9]{2}", fullmatch=True)
ROWS = st.dictionaries(
    st.tuples(st.sampled_from(SCOPES), NUMBERS), st.none() | st.integers(NOW - 5000, NOW + 5000), max_size=40
)


def consents(rows: dict[tuple[str, str], int | None]) -> Consents:
    return entries(*((scope, number, 0, AGREED, end) for (scope, number), end in rows.items()))


def entries(*rows: Entry) -> Consents:
    shards: dict[int, list[Entry]] = {}
    for row in rows:
        shards.setdefault(shard_of(row[1]), []).append(row)
    return Consents().replaced({n: parse_shard(shard_text(shard)) for n, shard in shards.items()})


@given(ROWS, NUMBERS)
def test_a_number_has_consent_exactly_where_it_is_recorded_and_lasts(
    rows: dict[tuple[str, str], int | None], other: str
) -> None:
    found = consents(rows)
    for number in {number for _, number in rows} | {other}:
        for scope in SCOPES:
            end = rows.get((scope, number), 0)
            lasts = end is None or end // 1000 > NOW // 1000
            assert found.missing([number], [scope], NOW) == (() if lasts else (number,))


def test_one_scope_of_several_is_enough() -> None:
    found = consents({(SCOPES[0], "13800000001"): None, (SCOPES[2], "13800000002"): None})
    assert found.missing(["13800000001", "13800000002", "13800000003"], SCOPES, NOW) == ("13800000003",)
    assert found.missing(["13800000001"], [], NOW) == ("13800000001",)


@pytest.mark.parametrize(
    ("port", "enterprise", "agreed"),
    [
        ((5000, REFUSED), (4000, AGREED), False),  # no more from this port
        ((4000, REFUSED), (5000, AGREED), True),
        ((4000, AGREED), (5000, REFUSED), False),
        ((5000, AGREED), (4000, REFUSED), True),
        ((5000, REFUSED), (5000, AGREED), False),
        ((5000, AGREED), (5000, REFUSED), False),
        ((5000, ASKED), (4000, AGREED), True),  # a question changes nothing until it is answered
        ((5000, ASKED), (4000, REFUSED), False),
    ],
)
def test_of_the_entries_for_port_and_enterprise_the_last_counts(
    port: tuple[int, ConsentKind], enterprise: tuple[int, ConsentKind], agreed: bool
) -> None:
    scopes = (SCOPES[0], SCOPES[2])
    rows = [
        (scope, "13800000001", at, kind, None) for scope, (at, kind) in zip(scopes, (port, enterprise), strict=True)
    ]
    for order in (rows, rows[::-1]):
        assert entries(*order).missing(["13800000001"], scopes, NOW) == (() if agreed else ("13800000001",))


def test_a_question_does_not_end_a_consent() -> None:
    found = entries((SCOPES[0], "13800000001", 4000, AGREED, None), (SCOPES[0], "13800000001", 5000, ASKED, None))
    assert found.missing(["13800000001"], SCOPES[:1], NOW) == ()


def test_records_are_kept_for_a_scope_that_has_refusals_only() -> None:
    found = entries((port_scope("10690001"), "13800000001", 0, REFUSED, None))
    assert found.scopes("10690001", "") == (port_scope("10690001"),)
    assert found.scopes("10690002", "10690001") == ()
    assert Consents().scopes("10690001", "10690001") == ()


def test_a_scope_is_kept_as_long_as_a_shard_holds_it() -> None:
    scope = port_scope("10690001")
    shard = parse_shard(shard_text([(scope, "13800000001", 0, AGREED, None)]))
    found = Consents().replaced({1: shard, 2: shard}).replaced({1: None})
    assert found.scopes("10690001", "") == (scope,)
    assert found.replaced({2: parse_shard(shard_text([]))}).scopes("10690001", "") == ()
    assert found.scopes("10690001", "") == (scope,)  # a snapshot never changes


def test_an_end_after_the_year_2106_is_for_ever() -> None:
    far = (FOREVER + 5) * 1000
    assert consents({(SCOPES[0], "13800000001"): far}).missing(["13800000001"], SCOPES, NOW) == ()


@pytest.mark.parametrize("text", ["", "{", '{"keys": 5}', '{"keys": "AAAA"}', '{"keys": "AAAAAAAAAAA=", "ends": ""}'])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(AntispamError, match=r"expected|consents"):
        parse_shard(text)


@pytest.mark.long
def test_a_consent_takes_few_bytes() -> None:
    """A hundred numbers have the same last four digits, as of a million consents; each of ten has an enterprise."""

    def consents_of(shards: range) -> Consents:
        texts = {
            n: shard_text(
                (f"enterprise/e{i % 10}", f"13{i:05d}{n:04d}", 1_790_000_000_000 + i, "consent", None)
                for i in range(100)
            )
            for n in shards
        }
        return Consents().replaced({n: parse_shard(text) for n, text in texts.items()})

    consents_of(range(2))  # what is imported at the first use does not count
    gc.collect()
    tracemalloc.start()
    kept = consents_of(range(200))
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.missing(["13000420042"], ["enterprise/e2"], 1_800_000_000_000) == ()
    assert size / 20_000 < 40  # a million of them in 40 MB
