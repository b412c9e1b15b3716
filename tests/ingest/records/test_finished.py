"""A file is finished when nothing about it has changed for the quiet period, in whatever order it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.records.finished import Finished, wanted
from pipeline.ingest.records.folder import Listed

QUIET = 30


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.one_of(st.none(), st.builds(Listed, st.integers(0, 2), st.sampled_from("ab")))
        ),
        max_size=40,
    )
)
def test_finished_means_the_same_at_every_look_of_the_quiet_period(looks: list[tuple[int, Listed | None]]) -> None:
    watch = Finished("*", QUIET, None)
    now, since, last = 0, 0, None
    for wait, listed in looks:
        now += wait
        if listed != last:
            since, last = now, listed
        finished = watch.observe({} if listed is None else {"f": listed}, now)
        assert ("f" in finished) == (listed is not None and now - since >= QUIET)


@pytest.mark.parametrize(
    "name",
    ["a.csv.part", "a.csv.TMP", ".a.csv", "a.csv\r\nDELE b", "../a.csv", "a/b.csv", "\udce4.csv", "x" * 201, "", ".."],
)
def test_names_never_taken(name: str) -> None:
    assert not wanted(name, "*")


def test_pattern_tells_case() -> None:
    assert wanted("短信_20251008.csv.gz", "*.csv.gz")
    assert not wanted("a.CSV", "*.csv")
