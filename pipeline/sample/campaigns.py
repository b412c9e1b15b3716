"""Campaigns: spam texts in variants, and the bends by which spammers hide words from a dictionary.

A campaign keeps one contact or link for a while and varies its synonyms. Some of its messages are bent: with
separators, full-width forms, sound-alikes, look-alikes or invisible characters. The truth names the bend, so a report
can show which bends pass the filter. The texts were written for this project; no real text is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.events import Category
from pipeline.sample.wording import pick


@dataclass(frozen=True, slots=True)
class Campaign:
    """Spam texts with one purpose. The campaign fills `{phone}` and `{trap}`."""

    name: str
    category: Category
    texts: tuple[str, ...]


CAMPAIGNS = (
    Campaign(
        "fraud",
        Category.FRAUD,
        (
            "[市公安局|经侦支队|检察院]通知：您名下账户涉嫌洗钱，请[立即|马上|今日]将资金转入安全账户核查，专线{phone}",
            "您的医保卡在外地被盗刷，涉案金额{amount}元，请速联系[办案|专案]民警{phone}，切勿告知[家人|他人]",
            "爸，我手机[丢了|坏了]，这是新号，学校要交补课费{hundreds}元，[先|赶紧]转到老师卡上，加微信{chat_id}",
            "恭喜您的号码被[抽中|选中]为幸运用户，奖金{wan}万元，请先缴纳保证金至安全账户，领奖{phone}",
        ),
    ),
    Campaign(
        "phishing",
        Category.PHISHING,
        (
            "【青屿银行】您的网银[将于今日失效|已被冻结]，请[登录|点击]{trap}重新认证，逾期停用",
            "【雁达快递】您的包裹地址有误[无法派送|将被退回]，请在{trap}补全信息",
            "您的ETC[已过期|认证失效]，请于今日点击{trap}更新，以免影响通行",
            "【澜浦人社】您的社保账户异常，补贴{hundreds}元[待领取|今日截止]，请进入{trap}办理",
            "Your parcel is held at customs. [Pay|Confirm] the fee at {trap} within 24 hours",
        ),
    ),
    Campaign(
        "gambling",
        Category.GAMBLING,
        (
            "澳门赌场线上[开业|登陆]，真人荷官[在线发牌|美女陪玩]，首存{hundreds}送{hundreds}，{trap}",
            "[六合彩|香港彩]内幕特码，[上期已中|包中]{small}期，加微信{chat_id}免费领一期",
            "博彩[新平台|大平台]注册即送{count}元，[秒提现|提款不限]，网址{trap}",
            "[棋牌|电子|体育]娱乐城，充{hundreds}返{hundreds}，[代理高薪|日返水]，客服QQ{qq}",
        ),
    ),
    Campaign(
        "fake-invoice",
        Category.FAKE_DOCUMENT,
        (
            "[本公司|我司]代开发票，[各行业均可|税点低]，验后付款，联系电话{phone}{surname}经理",
            "[优惠|长期]代理开发票：[建筑|餐饮|运输|住宿]，点数{percent}个，微信{chat_id}",
            "有多余[增值税|普通]发票可对外[转让|代开]，真票可查，{surname}会计{phone}",
        ),
    ),
    Campaign(
        "fake-document",
        Category.FAKE_DOCUMENT,
        (
            "办证[刻章|刻印]，[毕业证|驾驶证|资格证]一切证件，快速送达，电话{phone}",
            "专业办证，[网上可查|高仿真]，[学历|上岗证|房产证]，QQ{qq}",
        ),
    ),
    Campaign(
        "task-scam",
        Category.RECRUITMENT,
        (
            "招[兼职|在家可做]刷单员，[日结|当天结]{hundreds}元，[不收押金|手机即可]，加微信{chat_id}",
            "[宝妈|学生]均可，[点赞|关注]一单{small}元，做刷单任务{count}秒到账，QQ{qq}",
        ),
    ),
    Campaign(
        "loan-trap",
        Category.LOAN,
        (
            "[急用钱|缺钱]找我，[黑户|征信花]也能贷，{wan}万当天放款，不看负债，电话{phone}",
            "信用卡套现[养卡|代还]，手续费{percent}%，上门刷卡，{surname}经理{phone}",
            "高利贷不求人，[身份证|手机号]即可借{wan}万，{trap}",
        ),
    ),
    Campaign(
        "pornography",
        Category.PORNOGRAPHY,
        (
            "[寂寞|同城]美女在线裸聊，[首次免费|一对一]，加微信{chat_id}",
            "[同城|附近]上门[服务|按摩]，学生少妇任选，{surname}姐{phone}",
        ),
    ),
    Campaign(
        "weapons",
        Category.WEAPONS,
        ("出售[枪支|枪支配件]，[货到付款|隐蔽发货]，QQ{qq}",),
    ),
    Campaign(
        "drugs",
        Category.DRUGS,
        (
            "[提神|解压]的好东西，冰毒[有货|到货]，[同城|支持]面交，QQ{qq}",
            "本店长期供应[迷药|听话水]，[效果好|保密配送]，微信{chat_id}",
        ),
    ),
    Campaign(
        "counterfeit",
        Category.COUNTERFEIT,
        (
            "[原单|一比一]名表名包，[专柜品质|可过验]，{hundreds}元起，微信{chat_id}",
            "[免税|出口]名烟批发，假一赔十，{price}元一条，电话{phone}",
        ),
    ),
)

# Unsolicited commercial texts, without salutation and without a way to unsubscribe.
UNASKED = (
    (
        Category.PROPERTY,
        "[地铁口|学区]准现房，{square}平{wan}万起，首付分期，售楼热线{hotline}",
    ),
    (Category.LOAN, "凭工资流水即可贷款{wan}万，[当天|三小时]到账，利息低，详询{phone}"),
    (Category.EDUCATION, "{subject}[提分|冲刺]班，名师一对一，{small}天提高{count}分，限时报名{hotline}"),
    (Category.FINANCE, "[内部|独家]消息，本周必涨三只股票，加老师微信{chat_id}领取"),
    (Category.RETAIL, "[厂家|仓库]清仓，{product}最后{count}件，{price}元起，货到付款{phone}"),
)

PADDING = "窗外的桂花开了，院子里的老猫在晒太阳，孩子们放学回来吵着要吃糖糕。"

# The words that spammers bend, with their sound-alike and look-alike replacements.
_BENT: dict[str, tuple[str, ...]] = {
    "安全账户": ("安全帐户", "安佺账户", "安全zhang户"),
    "代开发票": ("带开发漂", "戴开發票", "代幵发piao"),
    "发票": ("发漂", "發票", "fa票", "发剽"),
    "办证": ("办正", "瓣证", "办zheng"),
    "澳门赌场": ("澳門堵场", "奥门赌厂", "澳men赌chang"),
    "真人荷官": ("真人何官", "真亻荷官"),
    "博彩": ("搏彩", "博菜", "bo彩"),
    "六合彩": ("6合彩", "六和菜", "⑥合彩"),
    "刷单": ("唰单", "刷dan", "s单"),
    "套现": ("套xian", "淘现"),
    "高利贷": ("高利代", "高li贷"),
    "裸聊": ("果聊", "衤果聊", "luo聊"),
    "枪支": ("木仓支", "qiang支"),
    "迷药": ("迷yao", "米药"),
    "冰毒": ("bing毒", "冫水毒", "冰du"),
    "微信": ("薇信", "V信", "威芯", "徽信"),
}
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_SPOKEN = str.maketrans("0123456789", "零一二三四五六七八九")
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_HIDDEN = ("\u200b", "\u200d", "\u2060")
_SEPARATORS = (" ", "-", ".", "·", "*", "_", "/", "|", "丶")
_EMOJI = ("❤", "🌹", "💰", "🔥", "★")


def _words(text: str) -> list[str]:
    return [word for word in _BENT if word in text] or [text[:4]]


def _separators(rng: Random, text: str) -> str:
    word = pick(rng, _words(text))
    return text.replace(word, pick(rng, _SEPARATORS).join(word))


def _hidden(rng: Random, text: str) -> str:
    word = pick(rng, _words(text))
    return text.replace(word, pick(rng, _HIDDEN).join(word))


def _emoji(rng: Random, text: str) -> str:
    word = pick(rng, _words(text))
    return text.replace(word, pick(rng, _EMOJI).join(word))


def _alike(rng: Random, text: str) -> str:
    for word in _words(text):
        text = text.replace(word, pick(rng, _BENT.get(word, (word,))))
    return text


BENDS: dict[str, Callable[[Random, str], str]] = {
    "separators": _separators,
    "hidden": _hidden,
    "emoji": _emoji,
    "alike": _alike,
    "full-width": lambda _, text: text.translate(_FULL_WIDTH),
    "circled": lambda _, text: text.translate(_CIRCLED),
    "spoken-digits": lambda _, text: text.translate(_SPOKEN),
    "padding": lambda rng, text: PADDING + text if rng.random() < 0.5 else text + PADDING,
}
_NAMES = tuple(BENDS)


def bend(rng: Random, text: str) -> tuple[str, str]:
    """A spam text with a random bend, and the name of the bend.

    If the bend changes nothing, separators are used instead; they always change the text.
    """
    name = pick(rng, _NAMES)
    bent = BENDS[name](rng, text)
    return (bent, name) if bent != text else (_separators(rng, text), "separators")
