"""The index finds what looking for every pattern one by one finds."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import Category
from pipeline.rules.words.dictionary_file import Entry
from pipeline.rules.words.index import WordIndex
from pipeline.text.tape import lay

few = st.text(st.sampled_from("发票代开 \ud800😀"), min_size=2, max_size=7)


def found(patterns: list[str], text: str) -> list[tuple[str, int]]:
    index = WordIndex((pattern, 1, Entry(pattern, Category.OTHER)) for pattern in patterns)
    tape = lay([text])
    return sorted((entry.word, start) for entry, start, _ in index.find(tape.codes, tape.joined()))


@given(st.lists(few, unique=True, max_size=12), st.text(st.sampled_from("发票代开 \ud800😀"), max_size=60))
def test_it_finds_every_place_of_every_pattern(patterns: list[str], text: str) -> None:
    wanted = [(p, at) for p in patterns for at in range(len(text)) if text.startswith(p, at)]
    assert found(patterns, text) == sorted(wanted)


def test_a_latin_pattern_stands_alone() -> None:
    assert found(["abc", "ab cdef"], "abc abcd xabc 发abc票 1abc ab cdef ab cdefg") == [
        ("ab cdef", 25),
        ("abc", 0),
        ("abc", 15),
    ]


def test_a_pattern_is_for_its_views_only() -> None:
    entry = Entry("发票", Category.OTHER)
    index = WordIndex([("发票", 1, entry), ("发票", 4, entry), ("代开", 2, entry)])
    tape = lay(["发票代开"])
    assert [len(list(index.find(tape.codes, tape.joined(), view))) for view in (1, 2, 4, 8)] == [1, 1, 1, 0]


def test_an_empty_index_finds_nothing() -> None:
    assert not WordIndex([])
    assert found([], "发票") == []
