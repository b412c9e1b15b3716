"""Registered templates: what fits passes bulk review and the score, so nothing else may fit."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.placeholders import MAX_SLOT, MAX_SLOTS, MAX_TEMPLATE, Slot, SlotType
from pipeline.rules.templates import Template, _an_id, _figures_of_a_mobile, _holds
from pipeline.text.contacts import find_contacts
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch

filling = st.text(
    st.characters(codec="utf-8", categories=["Lo", "Nd"], exclude_characters="，。分"), min_size=1, max_size=MAX_SLOT
)


def template(text: str) -> Template:
    return Template.parse("t", text, Kind.NOTICE)


CODE = template("【江城银行】验证码{a}，{b}分钟内有效。")


def fits(registered: Template, text: str) -> bool:
    normals = normalise_batch([text])
    return registered.fits(text, find_links(normals)[0], find_contacts(normals)[0])


def slot(text: str) -> tuple[str, int]:
    (only,) = template("余额" + text + "。").slots
    return only.type.value, only.most


@given(filling, filling)
def test_a_filled_template_fits(code: str, minutes: str) -> None:
    text = f"【江城银行】验证码{code}，{minutes}分钟内有效。"
    assert fits(CODE, text) or find_contacts(normalise_batch([text]))[0] or find_links(normalise_batch([text]))[0]


@pytest.mark.parametrize(
    "text",
    [
        "【江城银行】验证码，5分钟内有效。",  # nothing filled in
        "【江城银行】验证码123456，5分钟内有效",  # the end is missing
        "【江城银行】验证码123456，5分钟内有效。加微信",  # something behind
        "加微信【江城银行】验证码123456，5分钟内有效。",  # something before
        "【江城银行】验证码12\n34，5分钟内有效。",  # a line of its own
        "【江城银行】验证码123456，5\n分钟内有效。",
        "【江城银行】验证码" + "1" * (MAX_SLOT + 1) + "，5分钟内有效。",
        "",
    ],
)
def test_what_differs_outside_the_placeholders_does_not_fit(text: str) -> None:
    assert not fits(CODE, text)


SPAM = "恭喜您获赠彩金888元，点击win-k9.example注册即可提现，客服微信kf88990，先到先得"


@pytest.mark.parametrize("text", ["{a}", "您好{a}", "{a}，回T退订", "您好{a}，余额{b}元"])
def test_an_advertisement_in_a_placeholder_does_not_fit(text: str) -> None:
    registered = template(text if text != "{a}" else "【签名】{a}")
    smuggled = text.replace("{a}", SPAM).replace("{b}", "1")
    assert not fits(registered, smuggled if text != "{a}" else "【签名】" + SPAM)


@pytest.mark.parametrize("length", [1, MAX_SLOT])
def test_a_placeholder_takes_1_to_32_code_points(length: int) -> None:
    for text in ("{a}元", "余额{a}", "余额{a}元", "余额{a}元{b}。"):
        filled = text.replace("{a}", "😀" * length).replace("{b}", "x")
        assert fits(template(text), filled)
        assert not fits(template(text), filled.replace("😀", "😀" * (MAX_SLOT + 1)))


@pytest.mark.parametrize("text", ["{x}", "#x#", "{}", "{x}#x#", "{a}{b}{c}"])
def test_all_spellings_of_a_placeholder_and_several_in_a_row_are_one(text: str) -> None:
    registered = template(f"余额{text}元")
    assert (registered.parts, len(registered.slots)) == (("余额", "元"), 1)
    assert fits(registered, "余额100元")
    assert not fits(registered, "余额" + "1" * (MAX_SLOT + 1) + "元")


def test_a_template_without_placeholders_fits_itself_only() -> None:
    assert fits(template("停水通知"), "停水通知")
    assert not fits(template("停水通知"), "停水通知。")


@pytest.mark.parametrize("text", ["", " ", "{a}", "{a} {b}", "#a#\n"])
def test_a_template_without_words_is_refused(text: str) -> None:
    with pytest.raises(AntispamError, match="template t: nothing but placeholders"):
        template(text)


@given(st.text(max_size=50), st.text(max_size=200))
def test_any_template_meets_any_text(words: str, text: str) -> None:
    try:
        registered = template(words)
    except AntispamError:
        return
    if fits(registered, text):
        assert len(text) <= len(words) + MAX_SLOT * len(registered.parts)


class Counted(str):
    """A text that adds up how many code points are searched in it."""

    searched = 0

    def find(self, *args: object) -> int:
        """Like str.find; the span given bounds what is looked at."""
        found = str.find(self, *args)  # type: ignore[arg-type]
        start, end = int(args[1]), min(int(args[2]), len(self))  # type: ignore[call-overload]
        Counted.searched += (found if found >= 0 else end) - start + len(str(args[0]))
        return found


@pytest.mark.parametrize("literal", ["a", "aaaaaaaaab"])
def test_the_work_grows_with_the_text_only(literal: str) -> None:
    """What makes backtracking expressions explode: many placeholders between equal letters."""
    for places in (5, 25, MAX_SLOTS + 1):
        registered = template("{x}".join([literal] * places) + "!")
        text = Counted("a" * (places * (len(literal) + 5)))
        Counted.searched = 0
        assert not fits(registered, text)
        assert Counted.searched <= 4 * len(text)


def test_placeholders_and_length_are_bounded() -> None:
    with pytest.raises(AntispamError, match=f"{MAX_SLOTS + 1} placeholders"):
        template("a{x}" * (MAX_SLOTS + 1))
    with pytest.raises(AntispamError, match=f"a template has up to {MAX_TEMPLATE}"):
        template("a" * (MAX_TEMPLATE + 1))


@pytest.mark.parametrize(
    "written",
    [
        "{code}",
        "${code}",
        "#code#",
        "{#code#}",
        "{{code}}",
        "{{code.DATA}}",
        "{{ code }}",
        "@@code@@",
        "{code:digits}",
        "{验证码}",
        "{code:code(8)}",
        "{1}",
        "{#var#}",
        "{{1}}",
        "%s",
        "%d",
        "%1$s",
        "｛code｝",
        "＄｛code｝",
        "｛code：digits｝",
        "【变量】",
        "【变量1】",
    ],
)
def test_placeholders_as_platforms_write_them_are_understood(written: str) -> None:
    registered = template(f"【示例】您的验证码为：{written}，5分钟内有效！")
    assert registered.parts == ("【示例】您的验证码为：", "，5分钟内有效！")
    assert fits(registered, "【示例】您的验证码为：482913，5分钟内有效！")


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("{code", "'{' at character 3"),
        ("code}", "'}' at character 7"),
        ("@code@", "'@code@' at character 3"),
        ("<code>", "'<code>' at character 3"),
        ("<%=code%>", "'<%' at character 3"),
        ("%code%", "'%code%' at character 3"),
        ("$code", r"'\$code' at character 3"),
        ("[变量]", r"'\[变量\]' at character 3"),
        ("{a{b}c}", "'{' at character 3"),
        ("{x:number}", "'{x:number}' at character 3: unknown type 'number'; one of digits, code, amount"),
        ("{x:text(0)}", r"text\(n\): n is from 1 to 64, not '0'"),
        ("{x:text(65)}", r"text\(n\): n is from 1 to 64"),
        ("{x:link}", "a link declares the permitted domains"),
        ("{x:link(a.com/b)}", "'a.com/b' is not a domain"),
        ("{x:link(com)}", "'com' is not a domain"),
        ("{x:link(t.cn)}", "t.cn is a link shortener"),
        ("{x:link(a.com)}{y}", "a link or a contact needs a word"),
    ],
)
def test_other_placeholders_are_refused_with_the_form_we_take(written: str, what: str) -> None:
    with pytest.raises(AntispamError, match=what) as caught:
        template("您的" + written + "已到")
    assert str(caught.value).startswith("template t: ")
    if "not a known placeholder" in str(caught.value):
        assert "write {name} or {name:type}" in str(caught.value)


@pytest.mark.parametrize(
    "words", ["【示例】满100%返券", "价格$100起", "a@b.cn", "[Lumovia] Hi", "<#> code", "50%off", "#1号楼"]
)
def test_signs_of_ordinary_words_are_no_placeholders(words: str) -> None:
    assert fits(template(words), words)


@pytest.mark.parametrize(
    ("written", "of"),
    [
        ("{code}", ("code", 32)),
        ("{验证码}", ("code", 32)),
        ("{AMOUNT}", ("amount", 32)),
        ("{金额}", ("amount", 32)),
        ("{date}", ("date", 32)),
        ("{日期}", ("date", 32)),
        ("{name}", ("name", 32)),
        ("{姓名}", ("name", 32)),
        ("{minutes}", ("digits", 32)),
        ("{x}", ("text", 32)),
        ("{phone}", ("text", 32)),
        ("{url}", ("text", 32)),
        ("{x:text(20)}", ("text", 20)),
        ("{x:digits(6)}", ("digits", 6)),
        ("{x:contact}", ("contact", 32)),
        ("{date}{time}", ("date", 32)),
        ("{date}{x:text(40)}", ("text", 40)),
    ],
)
def test_a_placeholder_without_a_type_is_what_its_name_says_or_a_text(written: str, of: tuple[str, int]) -> None:
    assert slot(written) == of


TYPED = {
    "digits": (["482913", "0"], ["4829a", "４８", "-1", "一二", "13800138000", "4008001234"]),
    "code": (
        ["482913", "A3F9K2", "3-12-4455", "SF1234567890", "京A12345", "京A·12345", "*1234", "482 913", "CA1/CA2"],
        ["请加我", "win k9", "hello", "kf88990", "13800138000", "138 0013 8000", "***", "A B1"],
    ),
    "amount": (["88", "1,230.55", "¥2300", "-5.20", "2300元", "5%"], ["很多", "1 2", "88元红包", "13-8"]),
    "date": (
        [
            "2026-03-09",
            "2026年3月9日",
            "3月9日",
            "3月9日 12:30",
            "周六",
            "明天",
            "9点半",
            "Mar 9, 2026",
            "3月9日至3月12日",
            "5",
            "11月28",
            "20260309",
            "202603091230",
            "10分钟",
            "3天内",
            "3月9日14:00 ~ 16:00",
            "2026年3月9日（周一）下午3点",
            "下周一",
            "9 Mar 2026, 12:30",
        ],
        ["13800138000", "加我", "3月9日加微信", "日", "12345678901", "88888888", "20269999", "13-80,01-38,00-0"],
    ),
    "name": (
        ["王女士", "张*", "**明", "Anna Lee", "阿依古丽·买买提", "示例科技（杭州）有限公司", "138****8000"],
        ["王1", "***", "kf88990", "加我领彩金点击网址进群马上提现金", "a.cn/x"],
    ),
    "text(10)": (
        ["口腔科", "iPhone 15", "A座 3层", "x"],
        [
            "一二三四五六七八九十一",
            "kf88990",
            "ＫＦ88990",
            "k\u200bf88990",
            "a\nb",
            "a@b.cn",
            "a＠b.cn",
            "1380,01380,00",
        ],
    ),
    "contact": (["13800138000", "010-62345678", "400 800 1234", "kf_88990"], ["加我", "a.cn/x", "abc"]),
    "link(example.com)": (
        ["https://example.com/a?b=1", "m.example.com/x", "example.com"],
        [
            "https://example.cn",
            "https://example.com.evil.cn/a",
            "https://evil.cn/example.com",
            "看example.com",
            "examp1e.com",
            "https://example.com@evil.cn",
            "example点com",
            "t.cn/a",
            "您好",
        ],
    ),
}


@pytest.mark.parametrize("of", TYPED)
def test_a_slot_takes_what_its_type_allows_and_nothing_else(of: str) -> None:
    registered = template(f"您的：{{x:{of}}}，已到")
    right, wrong = TYPED[of]
    assert [filling for filling in right if not fits(registered, f"您的：{filling}，已到")] == []
    assert [filling for filling in wrong if fits(registered, f"您的：{filling}，已到")] == []


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ("验证码${code}，${time}分钟内有效", "验证码482913，5分钟内有效"),  # as platforms' own examples have it
        ("验证码#code#，有效期#time#", "验证码482913，有效期10分钟"),
        ("请于{month}月{date}日前缴费{amount}", "请于11月28日前缴费人民币128.35元"),
        ("账户{account}于{time}入账{amount}，余额{balance}", "账户*1234于11月28日14:35入账RMB1000.00，余额¥12,000.50"),
        ("课程将于{time}开课", "课程将于周六（11月28日）18:30开课"),
    ],
)
def test_usual_notices_fit_the_types_that_names_give(words: str, filled: str) -> None:
    assert fits(template(words), filled)


@given(st.text(st.sampled_from("abcXYZ0189_-./ :,()座号微信一八〇零壹两貳（，"), min_size=1, max_size=12))
@example("a b c d e_123")
@example("abc1〇一")
def test_an_id_is_seen_in_a_text_as_in_its_normal_form(said: str) -> None:
    seen = _an_id(normalise_batch([said]).texts[0]) is not None
    assert _holds(Slot(SlotType.TEXT, 32), said) is not seen or _figures_of_a_mobile(said) is not None


SMUGGLED = [
    "加V信ab12345",
    "加薇❤abc_123",
    "V:abc123",
    "QQ 12345678",
    "扣扣12345678",
    "电报@abcde",
    "t.me/abcde",
    "1-3-8-0-0-1-3-8-0-0-0",
    "①③⑧00138000",
    "t.cn/A6x",
    "bit.ly/a1",
    "win点com",
    "w w w . a . c o m",
    "hxxp://a.cn",
    "ａ．ｃｏｍ",
    "a。cn",
    "kf88990",
    "看\u200bt.cn/A6x",
    "微 信 abc12345",
    "1380,01380,00",
    "a@b.cn",
]


@pytest.mark.parametrize("said", SMUGGLED)
@pytest.mark.parametrize("of", ["x", "name", "code", "date", "amount", "x:text(64)", "x:code", "x:digits"])
def test_no_link_and_no_contact_travels_in_a_slot_that_declares_none(of: str, said: str) -> None:
    registered = template(f"【示例医院】您好，您预约的{{{of}}}已确认，请提前到院。")
    assert not fits(registered, f"【示例医院】您好，您预约的{said}已确认，请提前到院。")


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ("客服微信{code}，请加", "客服微信abc12345，请加"),  # the words lead to what stands in the slot
        ("请看https://a{x}，谢谢", "请看https://ab.cn，谢谢"),
        ("请看{x}.example.com，谢谢", "请看https://evil.cn/a.example.com，谢谢"),
        ("您的{x}点{y}", "您的evil点com"),  # a link across two slots
    ],
)
def test_no_contact_is_put_together_from_words_and_slots(words: str, filled: str) -> None:
    assert not fits(template(words), filled)


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ("详询4008001234，{name}您好", "详询4008001234，王女士您好"),
        ("点击https://example.com/o/{code}查看", "点击https://example.com/o/A38812查看"),
        ("快递员{name}，电话{phone:contact}，请接听", "快递员王师傅，电话13800138000，请接听"),
        ("您的订单{order}，已发货", "您的订单075582345678，已发货"),  # figures that begin as an area code does
    ],
)
def test_what_a_template_itself_says_or_declares_fits(words: str, filled: str) -> None:
    assert fits(template(words), filled)


def test_more_contacts_than_are_told_fit_nothing() -> None:
    words = "13800138000，" * 60 + "{x}。"
    assert not fits(template(words), words.replace("{x}", "微信abc12345"))
