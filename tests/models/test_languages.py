"""Texts of a language that the model has not learnt are told apart and are never refused by score."""

import pytest

from pipeline.models.classifier import Classifier
from pipeline.models.features import SCRIPTS, scripts
from pipeline.models.languages import foreign
from pipeline.text.normal import normalise_batch


def folded(text: str) -> str:
    return normalise_batch([text]).folded.texts()[0]


@pytest.mark.parametrize(
    "text",
    [
        "Estimado cliente, su pedido llega hoy. Gracias por su compra.",
        "Prezado cliente, o seu pagamento foi recebido hoje.",
        "Bonjour, votre colis est en cours de livraison",
        "Ihr Paket wird heute zwischen 9 und 11 Uhr geliefert.",
        "Nasa labas na po ang rider, pakihanda ang bayad",
        "Paket anda sudah sampai, silakan ambil di pos satpam",
        "Đơn hàng của bạn đã được giao, cảm ơn quý khách",
        "Sayın müşterimiz, kargonuz bugün teslim edilecek ve ücretsiz",
        "Habari, pesa yako imetumwa kwa namba hii",
        "พัสดุของคุณถึงแล้ว กรุณามารับวันนี้",
        "고객님의 택배가 도착했습니다",
        "تم شحن طلبك وسيصل غدا",
        "Tilauksesi lähtee huomenna varastolta, seuraa lähetystä kotisivuilla tai soita asiakaspalveluun arkisin ennen "
        "kello neljää",
    ],
)
def test_another_language_is_told(text: str) -> None:
    assert foreign(folded(text))


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
    assert not foreign(folded(text))


def test_no_score_refuses_a_language_that_was_not_learnt() -> None:
    classifier = Classifier.load()
    bait = "URGENT! You have won a FREE prize of £1000 cash, call 09061701461 now to claim"
    [learnt] = classifier.classify([bait])
    assert learnt.score >= learnt.thresholds.reject
    strange = "Ganaste un premio de £1000 cash para ti y tu familia, por favor llama hoy al 09061701461 FREE prize WIN"
    [other] = classifier.classify([strange])
    assert SCRIPTS[scripts([strange])[0]] == "en"
    assert other.score < other.thresholds.reject
