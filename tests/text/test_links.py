"""Links are found where they are hidden, and not where a sentence ends without a space."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.links import MAX_LINKS, Link, find_links
from pipeline.text.normal import normalise_batch

hostile = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from("abc.:/ 。点-")), max_size=100)


def links(text: str) -> tuple[Link, ...]:
    return find_links(normalise_batch([text]))[0]


@pytest.mark.parametrize(
    ("text", "where", "domain"),
    [
        ("登录www.abc.com.cn查看", "www.abc.com.cn", "abc.com.cn"),
        ("see http://a.b.example.co.uk/x?y=1 now", "http://a.b.example.co.uk/x?y=1", "example.co.uk"),
        ("http://1.2.3.4:80/p", "http://1.2.3.4:80/p", "1.2.3.4"),
        ("点t.cn/Rx8", "t.cn/Rx8", "t.cn"),
        ("http://icbc.com.cn@evil.top/a", "http://icbc.com.cn@evil.top/a", "evil.top"),
        ("http://user@evil.com/", "http://user@evil.com/", "evil.com"),
        ("evil.icu", "evil.icu", "evil.icu"),
        ("点sf-addr.life查看", "sf-addr.life", "sf-addr.life"),
        ("sb99.rest", "sb99.rest", "sb99.rest"),
        ("http://3232235777/a", "http://3232235777/a", "192.168.1.1"),
        ("http://0xC0A80101", "http://0xC0A80101", "192.168.1.1"),
    ],
)
def test_a_link_is_found_as_written(text: str, where: str, domain: str) -> None:
    (link,) = links(text)
    assert (text[link.start : link.end], link.domain, link.disguised) == (where, domain, False)


@pytest.mark.parametrize(
    "text",
    [
        "abc点com",
        "abc·com",
        "a b c 点 c o m",
        "abc dot com",
        "hxxp://abc.com",
        "abc[.]com",
        "abc。com",
        "abc . com",
        "w w w . a b c . c o m",
    ],
)
def test_a_disguised_link_is_found(text: str) -> None:
    (link,) = links(f"请看 {text} 领取")
    assert (link.domain, link.disguised) == ("abc.com", True)


def test_full_width_is_undone_before() -> None:
    (link,) = links("ａｂｃ．ｃｏｍ")
    assert (link.start, link.end, link.domain) == (0, 7, "abc.com")


@pytest.mark.parametrize(
    "text",
    [
        "价格5.5元",
        "see you.me too. In the end",
        "今天3点见.好的",
        "下午3点come",
        "a@b.com",
        "Good morning. Top deal",
        "1.2.3.4",
        "约翰·史密斯",
        "that was fun.live and learn",
        "http://99999999999/",
        "http://4294967296/",
    ],
)
def test_what_is_no_link_is_none(text: str) -> None:
    assert links(text) == ()


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("http://раypal.com", "mixed_script"),
        ("xn--80ak6aa92e.com", "punycode"),
        ("http://icbc.com.cn.verify.top", "brand"),
        ("http://paypa1.com", "brand"),
        ("10086-cn.top", "brand"),
        ("95588-hd.top", "brand"),
        ("1cbc.com", "brand"),
        ("icbcwap.com", "brand"),
        ("paypal-secure.com", "brand"),
    ],
)
def test_a_link_that_looks_like_anothers_says_how(text: str, sign: str) -> None:
    (link,) = links(text)
    assert link.lookalike == (sign,)


@pytest.mark.parametrize(
    "text",
    [
        "https://m.alipay.com/x",
        "www.icbc.com.cn",
        "https://paypal.com",
        "https://mp.weixin.qq.com/s",
        "https://appleid.apple.com",
        "https://login.microsoftonline.com/common",
    ],
)
def test_a_brands_own_domain_is_no_lookalike(text: str) -> None:
    (link,) = links(text)
    assert link.lookalike == ()


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("www.gov.uk/pay", True),
        ("https://track.dpd.co.uk/1", True),
        ("sz.gov.cn", True),
        ("gov.uk-pay.top/1", False),
        ("https://amazon.com@evil.top/x", False),
        ("tax.gov.cn.evil.cn/a", False),
        ("docs.google.com/forms/x", False),  # anybody can publish there
        ("bit.ly/gov", False),
        ("dpd点co点uk/track", False),
        ("unknown-shop.com", False),
    ],
)
def test_a_link_is_own_only_on_the_registered_domain_of_a_known_company_or_authority(text: str, own: bool) -> None:
    assert [link.own for link in links(text)] == [own]


def test_a_shortener_is_told_and_keyed_by_its_path() -> None:
    (short,) = links("https://bit.ly/Ab1")
    assert (short.short, short.key) == (True, "bit.ly/ab1")
    (plain,) = links("https://www.abc.com/Ab1")
    assert (plain.short, plain.key) == (False, "abc.com")


def test_links_of_a_batch_stay_with_their_texts() -> None:
    found = find_links(normalise_batch(["", "x a.com", "no", "b.cn c.com"]))
    assert [[(link.start, link.domain) for link in of] for of in found] == [
        [],
        [(2, "a.com")],
        [],
        [(0, "b.cn"), (5, "c.com")],
    ]


def test_a_text_full_of_links_is_bounded() -> None:
    assert len(links("a.com " * 1000)) == MAX_LINKS


@given(hostile)
def test_any_text_can_be_searched(text: str) -> None:
    for link in links(text):
        assert 0 <= link.start < link.end <= len(text)
