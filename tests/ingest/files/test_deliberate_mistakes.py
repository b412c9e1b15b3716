"""Deliberate mistakes in each file of a configuration: the message points at the fault and says what is possible.

`deliberate_mistakes.yaml` has a sound file of each kind and the mistakes: a change of the file, and the message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.actions.console.consent_file import offline_consents
from pipeline.decision.configuration import directory_entries
from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import parse_calendar
from pipeline.rules.filings import parse_filings
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.words.dictionary import Dictionary
from pipeline.text.brands import parse_brands

CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("deliberate_mistakes.yaml").read_text(encoding="utf-8"))
SOUND: dict[str, str] = CASES["sound"]
MISTAKES: list[dict[str, Any]] = CASES["mistakes"]


def _folder(path: Path, _: str) -> None:
    list(directory_entries(path.parent))


def _text(parse: Callable[[str], object]) -> Callable[[Path, str], object]:
    return lambda _, text: parse(text)


READERS: dict[str, Callable[[Path, str], object]] = {
    "policy.yaml": _text(parse_policy),
    "calendar.yaml": _text(parse_calendar),
    "dictionary.csv": _text(Dictionary.parse),
    "brands.yaml": _text(parse_brands),
    "lists.csv": _folder,
    "ports.jsonl": _folder,
    "enterprises.jsonl": _folder,
    "filings.csv": _text(lambda text: parse_filings(text, "filings.csv")),
    "consents.csv": lambda path, _: offline_consents(path),
}


def read(folder: Path, file: str, text: str) -> None:
    path = folder / file
    path.write_text(text, encoding="utf-8")
    READERS[file](path, text)


@pytest.mark.parametrize("file", SOUND)
def test_the_file_that_the_mistakes_are_made_in_is_sound(tmp_path: Path, file: str) -> None:
    read(tmp_path, file, SOUND[file])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake['file']}: {mistake['wrong']}"[:60])
def test_a_mistake_is_pointed_at(tmp_path: Path, mistake: dict[str, Any]) -> None:
    sound = SOUND[mistake["file"]]
    assert mistake["right"] in sound
    with pytest.raises(AntispamError) as refused:
        read(tmp_path, mistake["file"], sound.replace(mistake["right"], mistake["wrong"], 1))
    assert str(refused.value).replace(f"{tmp_path}/", "") == mistake["message"].rstrip("\n")


def test_there_are_mistakes_in_every_kind_of_file() -> None:
    assert len(MISTAKES) >= 40
    assert set(Counter(mistake["file"] for mistake in MISTAKES)) == set(SOUND) == set(READERS)
