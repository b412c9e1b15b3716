"""Training: reproducible, in one step from jsonl to a model that loads; faults are named by line."""

import json
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.events import Category, Label
from pipeline.models.card import Card
from pipeline.models.classifier import WEIGHTS, Classifier
from pipeline.models.evaluate import Sample, evaluate, read_samples
from pipeline.models.invented import invented
from pipeline.models.train import train
from tests.harness.small_trainings import small_trainings  # noqa: F401 - a fixture of every training here

pytestmark = pytest.mark.long

SPAM = ["百家乐首存送彩金{}", "代开发票增值税{}", "无抵押贷款当天放款{}", "win a free prize call {}"]
HAM = ["明天几点开会{}", "我到家了晚安{}", "会议室在三楼{}", "see you at lunch {}"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sms.jsonl"
    rows = [
        {
            "text": text.format("甲乙丙丁戊己庚辛"[n % 8] * (n % 5)),
            "label": label,
            "lang": "zh",
            "source": "own",
        }
        for label, texts in (("spam", SPAM), ("ham", HAM))
        for text in texts
        for n in range(20)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    train([data], out, [data])
    return out


@pytest.mark.slow
def test_the_trained_model_tells_its_texts_apart(data: Path, model: Path) -> None:
    classifier = Classifier.load(model)
    assert [r.label for r in classifier.classify(["代开发票增值税", "我到家了晚安"])] == [
        Label.SPAM,
        Label.HAM,
    ]
    assert evaluate(classifier, read_samples([data]))["all"]["all"]["f1"] == 1


@pytest.mark.slow
def test_the_same_data_gives_the_same_model(data: Path, model: Path, tmp_path: Path) -> None:
    again = train([data], tmp_path)
    assert again.version == Classifier.load(model).version
    assert (tmp_path / "weights.npz").read_bytes() == (model / "weights.npz").read_bytes()


@pytest.mark.slow
def test_other_data_gives_another_version(data: Path, model: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"text": "刷单返佣", "label": "spam"}), encoding="utf-8")
    assert train([data, more], tmp_path / "out").version != Classifier.load(model).version


def test_the_card_says_what_a_person_needs(model: Path) -> None:
    card = (model / "card.md").read_text(encoding="utf-8")
    assert "| own | 80 | 80 | not recorded |" in card
    assert "Known weaknesses" in card


def test_the_shipped_card_names_each_source_once_and_reads_as_its_data_say() -> None:
    shipped = Card.load(WEIGHTS / "card.json")
    assert len({(row["source"], row["licence"]) for row in shipped.sources}) == len(shipped.sources)
    assert shipped.markdown() == (WEIGHTS / "card.md").read_text(encoding="utf-8")


def test_a_bar_in_the_name_of_a_source_does_not_break_the_table_of_the_card() -> None:
    row = {"source": "(train|test).json", "spam": 1, "ham": 2, "licence": "MIT"}
    card = msgspec.structs.replace(Card.load(WEIGHTS / "card.json"), sources=(row,))
    assert r"| (train\|test).json | 1 | 2 | MIT |" in card.markdown()


def test_easy_texts_do_not_bring_the_strict_threshold_down(model: Path) -> None:
    assert min(by.reject for by in Classifier.load(model).card.thresholds.values()) >= 0.5


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"text": "a", "label": "SPAM"}',
        '{"text": "\xff", "label": "ham"}',
        '{"text": 1, "label": "spam"}',
        '{"label": "spam"}',
        "\xff",
    ],
)
def test_a_broken_line_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a", "label": "ham"}\n' + line, encoding="latin-1")
    with pytest.raises(AntispamError, match=r"bad\.jsonl:2: not a labelled text"):
        read_samples([path])


def test_too_little_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text('{"text": "a", "label": "ham"}\n{"text": "b", "label": "spam"}\n', encoding="utf-8")
    with pytest.raises(AntispamError, match="at least 50 spam"):
        train([path], tmp_path / "out")


def test_invented_texts_are_the_same_for_a_seed_and_have_no_empty_slots() -> None:
    assert invented(2, seed=1) == invented(2, seed=1)
    assert invented(2, seed=1) != invented(2, seed=2)
    assert not [sample for sample in invented(2, seed=1) if "{" in sample.text or "}" in sample.text]


def test_invented_texts_of_a_kind_have_one_of_their_alternatives_each() -> None:
    of_kinds = [sample for sample in invented(3, seed=1) if sample.cluster_id is not None]
    assert {sample.label for sample in of_kinds} == {"ham", "spam"}
    assert not [sample.text for sample in of_kinds if "[" in sample.text or "|" in sample.text]
    assert len({sample.text for sample in of_kinds}) > 0.7 * len(of_kinds)


def test_invented_baits_are_spam_of_categories_we_know() -> None:
    baits = [sample for sample in invented(1, seed=1) if sample.label == "spam"]
    assert {Category(sample.category) for sample in baits if sample.category is not None} > {
        Category.FRAUD,
        Category.PHISHING,
    }


def test_labels_from_the_field_are_taught_beside_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "one.jsonl"
    data.write_text('{"text": "一", "label": "ham"}\n', encoding="utf-8")
    field = [Sample(text="二", label="spam", source="reviews", weight=0.5)]
    taught: list[Sample] = []

    def learn(samples: list[Sample]) -> None:
        taught.extend(samples)
        raise AntispamError("enough")

    monkeypatch.setattr("pipeline.models.train.learn", learn)
    with pytest.raises(AntispamError, match="enough"):
        train([data], tmp_path / "out", (), field)
    assert [(sample.text, sample.weight) for sample in taught] == [("一", 1.0), ("二", 0.5)]
