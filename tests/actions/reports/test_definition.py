"""Reports are text files: each is whole, in both languages, and each word has a name."""

from __future__ import annotations

from importlib.resources import files

from pipeline.actions.reports.definition import LANGUAGES, reports, table, words
from pipeline.events import Kind, Tier, Verdict
from pipeline.rules.conduct.port_lifecycle import Step
from pipeline.rules.numbering.regions import REGIONS
from pipeline.rules.numbering.segments import shipped_segments

TABLES = sorted(
    path.name.removesuffix(".sql") for path in files("pipeline.actions.reports").joinpath("tables").iterdir()
)


def test_every_table_belongs_to_a_report_and_is_there() -> None:
    assert sorted({name for report in reports().values() for name in report.tables}) == TABLES


def test_titles_notes_and_headings_are_in_both_languages() -> None:
    for name in TABLES:
        found = table(name)
        texts = [found.title, *([found.note] if found.note else []), *(c.heading for c in found.columns.values())]
        for text in texts:
            assert all(text[language] for language in LANGUAGES)
        assert found.sql.lstrip().upper().startswith(("SELECT", "WITH")), name


def test_the_values_of_the_pipeline_have_names() -> None:
    named = set(words())
    for values in (Verdict, Kind, Tier, Step):
        assert {value.value for value in values} <= named
    assert set(shipped_segments().values()) <= named
    assert set(REGIONS) <= named
