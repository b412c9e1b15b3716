"""The benchmark measures every model on the same rows and says how sure it is."""

import random
import re

import numpy as np
import pytest

from pipeline.models import evasions
from pipeline.models.benchmark import LEFT_OUT, Data, Ours, ShortGrams, benchmark, markdown, share
from pipeline.models.evaluate import Sample, SampleLabel
from tests.harness.small_trainings import small_trainings  # noqa: F401 - a fixture of every training here

pytestmark = pytest.mark.long

SPAM = {"zh": "百家乐首存送彩金{}，电话138", "en": "win a free prize call {} now 0900"}
HAM = {"zh": "明天{}点开会，我到家了", "en": "see you at {} for lunch then"}
WORDS = "甲乙丙丁戊己庚辛壬癸"


def samples(count: int) -> list[Sample]:
    both: tuple[tuple[SampleLabel, dict[str, str]], ...] = (("spam", SPAM), ("ham", HAM))
    return [
        Sample(
            text=text.format(WORDS[n % 10] * (1 + n % 7)), label=label, lang=lang, source=LEFT_OUT[n % 4], cluster_id=n
        )
        for label, texts in both
        for lang, text in texts.items()
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    business = [
        Sample(
            text=f"【某银行】您尾号{n}的账户收入{n}元",
            label="ham",
            lang="zh",
            source="bank",
            kind="bank",
            cluster_id=900 + n,
        )
        for n in range(12)
    ]
    data = Data(samples(40) + business, samples(12), evasions.shipped())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.models.benchmark.LEFT_OUT", LEFT_OUT[:1])  # each takes a training of each model
        return benchmark(data, (Ours, ShortGrams))


@pytest.mark.slow
def test_every_row_has_a_figure_of_every_model(rows: list[dict[str, str]]) -> None:
    assert all({"ours", "char(1,2)+LR"} <= set(row) for row in rows)
    table = markdown(rows)
    assert table.count("\n") == len(rows) + 2
    for name in ("recall at 0.1 %", "transactional flagged, held out by source", "disguise homophones", "without fbs"):
        assert name in table


@pytest.mark.slow
def test_texts_told_apart_by_every_word_are_all_found(rows: list[dict[str, str]]) -> None:
    (row,) = [row for row in rows if row[""] == "zh: recall, threshold fixed on train"]
    assert row["ours"].startswith("1.0000")


@pytest.mark.parametrize(("hits", "of", "value"), [(0, 50, "0.0000"), (25, 50, "0.5000"), (50, 50, "1.0000")])
def test_a_share_lies_in_its_interval(hits: int, of: int, value: str) -> None:
    found = re.fullmatch(r"([\d.]+) \(([\d.]+)–([\d.]+)\)", share(np.arange(of) < hits))
    assert found
    assert found[1] == value
    assert float(found[2]) <= float(found[1]) <= float(found[3])


@pytest.mark.parametrize("text", ["长期代开发票，电话13800000000", "Win a FREE prize now, call 0900"])
def test_every_disguise_changes_a_text_the_same_way_for_a_seed(text: str) -> None:
    family = evasions.chinese if "代" in text else evasions.english
    for name, trick in family(evasions.shipped(), 0.9).items():
        made = trick(text, random.Random(1))
        assert made != text, name
        assert made == trick(text, random.Random(1)), name
