"""The test of strangers trains without what it measures, and says how many texts each figure stands on."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.models import train
from pipeline.models.evaluate import Sample, SampleLabel
from pipeline.models.strangers import SOURCES_OUT, strangers
from tests.harness.small_trainings import small_trainings  # noqa: F401 - a fixture of every training here

pytestmark = pytest.mark.slow

SPAM = {"zh": "百家乐首存送彩金{}，电话138", "en": "win a free prize call {} now 0900"}
HAM = {"zh": "明天{}点开会，我到家了", "en": "see you at {} for lunch then"}
WORDS = "甲乙丙丁戊己庚辛壬癸"


def samples() -> list[Sample]:
    both: tuple[tuple[SampleLabel, dict[str, str]], ...] = (("spam", SPAM), ("ham", HAM))
    sources = [*(source for out in SOURCES_OUT for source in out), "other"]
    public = [
        Sample(
            text=text.format(WORDS[n % 10] * (1 + n // 10)), label=label, lang=lang, source=sources[n % 8], cluster_id=n
        )
        for label, texts in both
        for lang, text in texts.items()
        for n in range(80)
    ]
    business = [
        Sample(text=f"【某银行】您尾号{n}的账户收入{n}元", label="ham", lang="zh", source=f"bank {n % 4}", kind="bank")
        for n in range(24)
    ]
    return public + business


def test_every_sender_kind_and_source_is_measured_by_a_model_that_never_met_it(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[tuple[set[str], set[str]]] = []
    fit = train.fit

    def seen(data: train.Taught, rows: NDArray[np.bool_]) -> train.Fitted:
        used = [row for row, with_it in zip(data.rows, rows, strict=True) if with_it]
        taught.append(({row.source for row in used}, {str(row.cluster_id) for row in used}))
        return fit(data, rows)

    monkeypatch.setattr(train, "fit", seen)
    rows = {row[""]: row for row in strangers(samples())}
    assert len(taught) == 2 * train.FOLDS
    for out in SOURCES_OUT:
        assert any(sources.isdisjoint(out) for sources, _ in taught[: train.FOLDS])
    for kind in ("courier", "relative", "signup"):
        assert any(kind not in kinds for _, kinds in taught[train.FOLDS :])
    assert rows["sender: ham zh business bank 1"]["texts"] == "6"
    assert int(rows["sender: spam zh fbs"]["texts"]) >= 10
    assert "kind: spam en invented relative_en" in rows
    for row in rows.values():
        assert len(row) == 2 + 6, (
            "two shares each of our model and of the simple one, with and without business messages"
        )
