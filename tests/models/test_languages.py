"""Texts of other languages are told apart and named; a language that is not known is never refused by score."""

import os
import subprocess
import sys

import pytest

from pipeline.models.classifier import Classifier
from pipeline.models.features import SCRIPTS, grams, scripts
from pipeline.models.languages import candidates, language
from pipeline.text.normal import normalise_batch


def folded(text: str) -> str:
    return normalise_batch([text]).folded.texts()[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Estimado cliente, su pedido llega hoy. Gracias por su compra.", "es"),
        ("Prezado cliente, o seu pagamento foi recebido hoje.", "pt"),
        ("Bonjour, votre colis est en cours de livraison", "fr"),
        ("Ihr Paket wird heute zwischen 9 und 11 Uhr geliefert.", "de"),
        ("Nasa labas na po ang rider, pakihanda ang bayad", "fil"),
        ("Paket anda sudah sampai, silakan ambil di pos satpam", "id"),
        ("Đơn hàng của bạn đã được giao, cảm ơn quý khách", "vi"),
        ("Sayın müşterimiz, kargonuz bugün teslim edilecek ve ücretsiz", "tr"),
        ("Habari, pesa yako imetumwa kwa namba hii", "sw"),
        ("พัสดุของคุณถึงแล้ว กรุณามารับวันนี้", "th"),
        ("고객님의 택배가 도착했습니다", "ko"),
        ("تم شحن طلبك وسيصل غدا", "ar"),
        (
            "Tilauksesi lähtee huomenna varastolta, seuraa lähetystä kotisivuilla tai soita asiakaspalveluun "
            "arkisin ennen kello neljää",
            "",
        ),
    ],
)
def test_another_language_is_told_and_named(text: str, name: str) -> None:
    assert language(folded(text)) == name
    assert candidates(grams([text])).tolist() == ([0] if name else [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123456",
        "Your parcel is here",
        "URGENT! You have won a prize, call now",
        "Hola! Your code is 1234, do not share it with anyone",
        "c l a i m y o u r p r i z e",
        "Co ngr atu la ti ons y ou h ave be en se lec ted fo r a fr ee cr ui se",
        "cheap-pills.top/a1",
        "FREE SPINS CASINO",
        "Dear Fernando de la Cruz, your order from El Corte has been sent",
    ],
)
def test_english_and_scraps_are_not(text: str) -> None:
    assert language(folded(text)) is None


def test_no_score_refuses_a_language_that_was_not_learnt() -> None:
    classifier = Classifier.load()
    bait = "URGENT! You have won a FREE prize of £1000 cash, call 09061701461 now to claim"
    [learnt] = classifier.classify([bait])
    assert learnt.score >= learnt.thresholds.reject
    strange = "Ganaste un premio de £1000 cash para ti y tu familia, por favor llama hoy al 09061701461 FREE prize WIN"
    [other] = classifier.classify([strange])
    assert SCRIPTS[scripts([strange])[0]] == "en"
    assert other.score < other.thresholds.reject


THAI = "คุณได้รับสิทธิ์เงินกู้ 50,000 บาท โบนัสฟรี คลิก"  # invented: a loan and a bonus, click


def test_a_known_language_is_refused_and_an_honest_text_of_it_is_not() -> None:
    classifier = Classifier.load()
    assert classifier.card.languages["th"].known
    bait, honest = classifier.classify([f"{THAI} bit.ly/3xyz สมัครวันนี้ รับเครดิตฟรี", "พัสดุของคุณถึงแล้ว กรุณามารับวันนี้"])
    assert bait.score >= bait.thresholds.reject
    assert honest.score < 0.5


def test_the_card_names_the_languages_it_knows() -> None:
    card = Classifier.load().card
    known = [name for name, language in card.languages.items() if language.known]
    assert known
    assert f"Known beside Chinese and English: {', '.join(known)}." in card.markdown()
    assert all(language.real_spam and language.real_honest for language in map(card.languages.get, known) if language)


def test_the_languages_of_a_batch_never_change_a_score() -> None:
    classifier = Classifier.load()
    texts = [THAI, "明天几点开会", "see you at lunch then", "Ganaste un premio, llama hoy para cobrar tu dinero"]
    assert classifier.classify(texts) == [classifier.classify([text])[0] for text in texts]


def test_an_explanation_of_another_language_adds_up() -> None:
    explained = Classifier.load().explain(THAI)
    total = explained.bias + sum(part.log_odds for part in explained.parts) + explained.between
    assert total == pytest.approx(explained.log_odds, abs=1e-6)
    assert explained.score == Classifier.load().classify([THAI])[0].score


NAMED_IN_A_PROCESS = """
import random
from pipeline.models.languages import _lists, language
shared = sorted(word for word, names in _lists()[1].items() if len(names) > 1)
draw = random.Random(1).sample
print([language(" ".join(draw(shared, 7))) for _ in range(500)])
"""


@pytest.mark.long
def test_every_process_names_a_text_alike() -> None:
    """Words come from a set, whose order changes with the seed of a process's hashes."""
    named = {
        subprocess.run(
            [sys.executable, "-c", NAMED_IN_A_PROCESS],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(named) == 1
