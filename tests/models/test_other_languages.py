"""A language is learnt from texts of its own, and known only if real texts of both classes say so."""

import numpy as np
import pytest

from pipeline.models.card import Language
from pipeline.models.evaluate import Sample
from pipeline.models.other_languages import LEAST, apart, learn_others

pytestmark = pytest.mark.long

SYLLABLES = ("ca", "lo", "mi", "sa", "tre", "po", "ri", "na", "du", "ve", "cho", "lla")
TEXTS = {
    "es": ("hola, nos vemos hoy para la cena, gracias", "usted tiene un premio, llama hoy para cobrar"),
    "de": ("wir sehen uns heute nicht, bitte komm nach Hause", "Sie haben einen Preis, bitte jetzt hier abholen"),
    "fr": ("bonjour, nous sommes dans votre rue avec le colis", "vous avez un prix, cliquez ici pour le recevoir"),
}


def texts(language: str, made: str = "real", *, source_by_class: bool = False) -> list[Sample]:
    """Invented texts that a word tells apart; no two are near-duplicates."""
    rng = np.random.default_rng(7)
    found = []
    for number in range(4 * LEAST):
        words = " ".join("".join(rng.choice(SYLLABLES, 4)) for _ in range(20))
        label = ("ham", "spam")[number % 2]
        source = label if source_by_class else "one"
        text = f"{TEXTS[language][number % 2]} {words}"
        found.append(Sample(text=text, label=label, lang=language, source=source, made=made))  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def languages() -> dict[str, Language]:
    return learn_others([*texts("es"), *texts("de", "translated"), *texts("fr", source_by_class=True)]).languages


def test_a_language_of_real_texts_that_folds_tell_apart_is_known(languages: dict[str, Language]) -> None:
    assert languages["es"].known
    assert languages["es"].real_spam == languages["es"].spam > LEAST


def test_a_language_of_texts_that_nobody_sent_is_learnt_and_not_known(languages: dict[str, Language]) -> None:
    assert not languages["de"].known


def test_a_language_whose_classes_are_sources_is_not_known(languages: dict[str, Language]) -> None:
    assert not languages["fr"].known


def test_few_texts_of_other_languages_stay_with_the_others() -> None:
    samples = [*texts("es")[: LEAST - 1], Sample(text="see you at lunch", label="ham", lang="en")]
    assert apart(samples) == (samples, [])


def test_a_tag_or_the_words_tell_the_language_and_lawful_advertising_is_left_out() -> None:
    tagged = texts("es")
    english = Sample(text="see you at lunch", label="ham")
    untagged = Sample(text=TEXTS["es"][0], label="ham")
    advert = Sample(text="hola, hoy todo para la casa", label="ham", lang="es", kind="commercial")
    regional = [Sample(text="see you at lunch", label="ham", lang=lang) for lang in ("en-IN", "zh-TW")]
    own, others = apart([*tagged, english, untagged, advert, *regional])
    assert own == [english, *regional]
    assert others == [*tagged, untagged]
