"""Windows count what a brute-force list of events counts, whatever the order they came in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.counting.windows import BUCKETS, Recent, Window

WIDTH = 5000  # 60 buckets of 5 s: 5 minutes
SPAN = BUCKETS * WIDTH
events = st.lists(st.tuples(st.integers(0, 4 * SPAN), st.integers(1, 9)), max_size=60)


def counted(seen: list[tuple[int, int]], at: int = -1) -> int:
    """Messages within the window that ends at the newest event, or at `at` if that is later."""
    if not seen:
        return 0
    end = max([at, *(time for time, _ in seen)]) // WIDTH
    return sum(n for time, n in seen if time // WIDTH > end - BUCKETS)


def filled(seen: list[tuple[int, int]]) -> Window:
    window = Window()
    for at, n in seen:
        window.add(at // WIDTH, n)
    return window


@given(events)
def test_each_event_is_told_the_total_with_itself(seen: list[tuple[int, int]]) -> None:
    window = Window()
    for i, (at, n) in enumerate(seen, 1):
        assert window.add(at // WIDTH, n) == counted(seen[:i])


@given(events.flatmap(lambda seen: st.tuples(st.just(seen), st.permutations(seen))))
def test_the_order_of_arrival_decides_nothing(both: tuple[list[tuple[int, int]], list[tuple[int, int]]]) -> None:
    one, other = filled(both[0]), filled(both[1])
    assert (one.counts, one.total, one.newest) == (other.counts, other.total, other.newest)


@given(events, st.integers(0, 6 * SPAN))
def test_reading_tells_the_total_at_a_time_and_moves_nothing(seen: list[tuple[int, int]], at: int) -> None:
    window = filled(seen)
    before = window.dump()[1]
    assert window.read(at // WIDTH) == counted(seen, at)
    assert window.dump()[1] == before
    assert window.read(0) == counted(seen)


@given(events)
def test_a_window_comes_back_from_its_dump(seen: list[tuple[int, int]]) -> None:
    window = filled(seen)
    window.offsets = [7, -1]
    again = Window.load(*window.dump())
    assert (again.counts, again.total, again.newest, again.offsets) == (
        window.counts,
        window.total,
        window.newest,
        [7, -1],
    )


def test_an_event_older_than_the_window_is_not_counted() -> None:
    window = filled([(SPAN, 3)])
    assert window.add(0, 5) == 3
    assert window.add(1, 5) == 8


def test_a_window_never_counts_longer_than_its_span_and_at_most_one_bucket_less() -> None:
    start = WIDTH - 1  # at the very end of its bucket: the least favourable moment
    assert filled([(start, 1)]).read((start + SPAN - WIDTH) // WIDTH) == 1
    assert filled([(0, 1)]).read(BUCKETS - 1) == 1
    assert filled([(0, 1)]).read(BUCKETS) == 0


def test_memory_is_bounded_by_the_buckets() -> None:
    assert len(filled([(at, 1) for at in range(0, 20 * SPAN, WIDTH // 2)]).counts) == BUCKETS


MOST = 5
sightings = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 12)), max_size=60)


def last_seen(seen: list[tuple[int, int]], at: int = -1) -> set[int]:
    """The distinct values of the window that ends at the newest bucket, or at `at` if that is later."""
    end = max([at, *(bucket for bucket, _ in seen)], default=0)
    return {value for bucket, value in seen if bucket > end - BUCKETS}


def recent(seen: list[tuple[int, int]], most: int = MOST) -> Recent:
    kept = Recent()
    for bucket, value in seen:
        kept.add(bucket, [value], most)
    return kept


@given(sightings, st.integers(0, 300))
def test_distinct_values_are_exact_up_to_the_number_kept(seen: list[tuple[int, int]], at: int) -> None:
    assert set(recent(seen, most=100).values) == last_seen(seen)
    assert len(recent(seen).values) == min(MOST, len(last_seen(seen)))
    assert len(recent(seen).read(at)) == min(MOST, len(last_seen(seen, at)))


@given(sightings.flatmap(lambda seen: st.tuples(st.just(seen), st.permutations(seen))))
def test_the_order_of_arrival_decides_no_number(both: tuple[list[tuple[int, int]], list[tuple[int, int]]]) -> None:
    assert recent(both[0], most=100).values == recent(both[1], most=100).values
    assert len(recent(both[0]).values) == len(recent(both[1]).values)


@given(sightings, sightings)
def test_values_come_back_from_their_dump(seen: list[tuple[int, int]], more: list[tuple[int, int]]) -> None:
    straight = recent(seen)
    straight.include(0, 7)
    again = Recent.load(*straight.dump())
    for bucket, value in more:
        straight.add(bucket, [value], MOST)
        again.add(bucket, [value], MOST)
    assert (list(again.values.items()), again.offsets) == (list(straight.values.items()), straight.offsets)


def test_an_offset_is_included_once_for_each_lane() -> None:
    window = Window()
    assert window.include(0, 7)
    assert not window.include(0, 7)
    assert window.include(1, 7)
    assert not window.include(1, 6)
    assert window.offsets == [7, 7]
