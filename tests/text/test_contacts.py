"""One contact has one key, however it is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.contacts import Contact, find_contacts
from pipeline.text.normal import normalise_batch

hostile = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from("138 -q加微信v:")), max_size=100)


def contacts(text: str) -> tuple[Contact, ...]:
    return find_contacts(normalise_batch([text]))[0]


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("电话13800138000", "phone", "13800138000"),
        ("1 3 8-0013-8000", "phone", "13800138000"),
        ("一三八〇〇一三八〇〇〇", "phone", "13800138000"),
        ("①③⑧⓪⓪①③⑧⓪⓪⓪", "phone", "13800138000"),
        ("+86 138 0013 8000", "phone", "13800138000"),
        ("400-800-1234", "phone", "4008001234"),
        ("010-62345678", "phone", "01062345678"),
        ("call 08712300220 now", "phone", "08712300220"),
        ("qq:１２３４５６", "qq", "123456"),
        ("扣扣①②③④⑤⑥", "qq", "123456"),
        ("加V信 abc_12345", "wechat", "abc_12345"),
        ("薇信号：abc12345", "wechat", "abc12345"),
        ("加微❤：wxid88888", "wechat", "wxid88888"),
        ("vx：13812", "wechat", "13812"),
        ("V：abc12345", "wechat", "abc12345"),
        ("v: gp-lao", "wechat", "gp-lao"),
        ("加wei信 sd_nana", "wechat", "sd_nana"),
        ("➕葳：tcyj_mei", "wechat", "tcyj_mei"),
        ("扣裙 6※6※1※0※2", "qq", "66102"),
        ("(138) 0013-8000", "phone", "13800138000"),
        ("138零0138000", "phone", "13800138000"),
        ("t.me/abcdef", "telegram", "abcdef"),
        ("tg: @abcdef", "telegram", "abcdef"),
    ],
)
def test_a_contact_is_found(text: str, kind: str, key: str) -> None:
    (contact,) = contacts(text)
    assert (contact.kind, contact.key) == (kind, key)


def test_a_contact_stands_where_it_was_written() -> None:
    text = "致电１ ３８-0013-8000，谢"
    (contact,) = contacts(text)
    assert text[contact.start : contact.end] == "１ ３８-0013-8000"


def test_a_number_that_is_also_a_wechat_id_is_both() -> None:
    assert {contact.kind for contact in contacts("微信号13800138000")} == {"phone", "wechat"}


@pytest.mark.parametrize(
    "text",
    [
        "验证码123456",
        "卡号6222 0213 8001 3800 138",
        "订单20240113800138000号",
        "verify your Telegram account",
        "微信支付凭证",
        "金额1380.01元",
        "Arsenal v: because it rains",
        "5tg:something",
        "1、3、8、0、0、1、3、8、0、0、0",
        "扣款60000元",
    ],
)
def test_what_is_no_contact_is_none(text: str) -> None:
    assert contacts(text) == ()


@given(hostile)
def test_any_text_can_be_searched(text: str) -> None:
    for contact in contacts(text):
        assert 0 <= contact.start < contact.end <= len(text)
