"""Enterprises and their ports: the only source of the demo's configuration and of its traffic.

Names, signatures and codes are invented. The codes of a head office and its branch share a prefix, to show that the
longest registered code counts. Source of tiers and kinds: docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from pipeline.events import Kind, PortState, Tier
from pipeline.sample.trades import TRADES, Trade

# Messages in 5 minutes allowed by a contract of each tier. The values are generous, so that in a benchmark of a million
# samples only the ports meant to exceed their limit do so.
VOLUME_5M = {Tier.TRUSTED: 200_000, Tier.ORDINARY: 60_000, Tier.HIGH: 20_000}


@dataclass(frozen=True, slots=True)
class Template:
    """A registered text; `{…}` is a placeholder."""

    id: str
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Port:
    """One registered port, with the trade of its texts. `volume_5m` counts messages."""

    code: str
    name: str
    enterprise: str
    trade: str
    tier: Tier
    signatures: tuple[str, ...]
    state: PortState = PortState.OPEN
    volume_5m: int = 0
    extensions: bool = False  # the port sends with extension digits after its code

    @property
    def texts(self) -> Trade:
        """The texts of the port's trade."""
        return TRADES[self.trade]

    @property
    def kind(self) -> Kind:
        """The kind of messages for which the port is registered."""
        return self.texts.kind

    @property
    def limit(self) -> int:
        """The port's volume limit in messages in 5 minutes."""
        return self.volume_5m or VOLUME_5M[self.tier]

    def signed(self, text: str) -> str:
        """The text with the port's first signature."""
        return f"【{self.signatures[0]}】{text}"

    @property
    def templates(self) -> tuple[Template, ...]:
        """The port's registered templates, numbered from t1."""
        texts = enumerate(self.texts.registered, 1)
        return tuple(Template(f"t{n}", self.signed(text), self.kind) for n, text in texts)


_TIERS = {"T": Tier.TRUSTED, "O": Tier.ORDINARY, "H": Tier.HIGH}

# Code, enterprise, tier (Trusted, Ordinary, High), trade, signature, name. A + after the code means extensions.
_TABLE = """
10690001      001 T bank_code         青屿银行          青屿银行
10690002+     001 T bank_notice       青屿银行          青屿银行
10690003      001 O bank_offer        青屿银行信用卡    青屿银行信用卡中心
106550010001  002 O bank_code         江渡农商银行      江渡农村商业银行
106550010002  002 O bank_notice       江渡农商银行      江渡农村商业银行
106550010003  002 O bank_offer        江渡农商银行      江渡农村商业银行
10690021      003 O courier           雁达快递          雁达快递
1069002107+   003 O courier           雁达驿站          雁达快递临湖分公司
106575230011+ 004 O courier           蓝鹊速运          蓝鹊速运
106590770012  005 O courier           迅羽物流          迅羽物流
10690101      006 O school            临湖实验小学      临湖实验小学
10690102      007 O school            枫桥路中学        枫桥路中学
106575310033  008 O school            东麓学院          东麓学院
10690201      009 T hospital          澜浦市第九医院    澜浦市第九医院
10690202      010 O hospital          青禾妇幼          青禾妇幼保健院
106550220004  011 O hospital          明澈眼科          明澈眼科门诊部
10690300+     012 T carrier           远信通信          远信通信
10690301      012 O carrier_offer     远信通信          远信通信
10690302      013 O carrier           星桥宽带          星桥宽带
10690401      014 O shop_code         橙篮商城          橙篮商城
10690402      014 O shop_notice       橙篮商城          橙篮商城
10690403      014 O shop_offer        橙篮商城          橙篮商城
106575420007  015 O shop_code         竹叶优选          竹叶优选
106575420008  015 O shop_notice       竹叶优选          竹叶优选
106575420009  015 O shop_offer        竹叶优选          竹叶优选
106590430010  016 O shop_offer        山葵优品          山葵优品
106590430011  017 O shop_offer        木槿百货          木槿百货
10690501      018 O insurance         禾安财险          禾安财产保险
10690502      018 O insurance_offer   禾安财险          禾安财产保险
106550510003  019 O insurance_offer   衡岚人寿          衡岚人寿保险
10690601      020 T utility           澜浦供电          澜浦供电公司
10690602      021 T utility           澜浦水务          澜浦水务集团
10690701+     022 T weather           澜浦市气象局      澜浦市气象局
10690702      023 T police            澜浦交警          澜浦市交警支队
10690703      024 T welfare           澜浦人社          澜浦市人社局
10690801      025 O airline           云雀航空          云雀航空
10690802      026 O hotel             栖木酒店          栖木酒店
10690803      027 O travel_english    SkylarkAir        云雀航空国际部
106575810004  028 O ride              飞驿出行          飞驿出行
10690901      029 O app_code          拾光社区          拾光社区
10690902      030 O app_code          墨境游戏          墨境游戏
10690903      031 O app_code          轻舟视频          轻舟视频
106550910004+ 032 O app_code          麦穗支付          麦穗支付
106550910005  033 O app_english       Lumovia           轻盟科技
10691001      034 O estate_management 翠屏物业          翠屏物业
10691002      035 O property_offer    锦澜地产          锦澜地产
10691003      036 O property_offer    御湖湾            御湖湾置业
10691101      037 O education_offer   学途星            学途星教育
10691102      038 O education_offer   朗知英语          朗知英语
10691201      039 O loan_offer        速谷金服          速谷金融服务
10691202      040 O loan_offer        易禾小贷          易禾小额贷款
106590120001  041 H small_business    阿福烧烤          阿福烧烤店
106590120002  042 H small_business    栗子烘焙          栗子烘焙坊
106590120003+ 043 H small_business    跃界健身          跃界健身房
106590120004  044 H small_business    小鹿亲子          小鹿亲子乐园
106590120005  045 H small_business    净邻家政          净邻家政
106590120006  046 H education_offer   朝禾画室          朝禾画室
106590120007  047 H property_offer    百川置业          百川房产经纪
10691301      048 O device_alarm      河图物联          河图物联
10691302      049 O device_alarm      汛安监测          汛安监测
10691303      050 O device_alarm      冷链眼            冷链眼科技
10691401      051 O rogue             远岚商贸          远岚商贸
10691402      052 O rogue             鑫沐咨询          鑫沐咨询
106575140003  053 O rogue             宏图优品          宏图优品
106575140004+ 054 O rogue             旭日传媒          旭日传媒
106550140005  055 O rogue             金禧文化          金禧文化
106550140006  056 O rogue             万泽网络          万泽网络
10691501      057 O rogue             顺嘉贸易          顺嘉贸易
10691502      058 O rogue             聚宝汇            聚宝汇科技
10691503      059 O rogue             铭优推广          铭优推广
"""

_STATES = {"10691501": PortState.SUSPENDED, "10691502": PortState.TERMINATED}
_VOLUMES = dict.fromkeys(("10691301", "10691302", "10691303"), 120)  # messages in 5 minutes; these ports exceed it
BLACK_PORT = "10691503"  # open, but on the operator's black list


def _port(row: str) -> Port:
    code, enterprise, tier, trade, signature, name = row.split()
    bare = code.rstrip("+")
    return Port(
        code=bare,
        name=name,
        enterprise=f"ent-{enterprise}",
        trade=trade,
        tier=_TIERS[tier],
        signatures=(signature,),
        state=_STATES.get(bare, PortState.OPEN),
        volume_5m=_VOLUMES.get(bare, 0),
        extensions=code.endswith("+"),
    )


PORTS: tuple[Port, ...] = tuple(_port(row) for row in _TABLE.strip().splitlines())
OPEN: tuple[Port, ...] = tuple(p for p in PORTS if p.state is PortState.OPEN and p.code != BLACK_PORT)


@dataclass(frozen=True, slots=True)
class Enterprise:
    """The owner of one or more ports."""

    code: str
    name: str
    province: str
    city: str


# Where owners are at home, by turns.
_HOMES = (
    ("广东", "深圳"),
    ("北京", "北京"),
    ("江苏", "南京"),
    ("浙江", "杭州"),
    ("四川", "成都"),
    ("上海", "上海"),
    ("湖北", "武汉"),
)


def owners_of(ports: Iterable[Port]) -> list[Enterprise]:
    """The owners of these ports, each named as its first port."""
    owners: dict[str, Enterprise] = {}
    for port in ports:
        if port.enterprise not in owners:
            home = _HOMES[crc32(port.enterprise.encode()) % len(_HOMES)]
            owners[port.enterprise] = Enterprise(port.enterprise, port.name, *home)
    return list(owners.values())


def of_trade(*trades: str) -> tuple[Port, ...]:
    """The open ports of ordinary or trusted tier in these trades."""
    return tuple(p for p in OPEN if p.trade in trades and p.tier is not Tier.HIGH)


SHUT: tuple[str, ...] = tuple(p.code for p in PORTS if p.state is not PortState.OPEN)
SMALL: tuple[Port, ...] = tuple(p for p in OPEN if p.tier is Tier.HIGH)  # under review before send
ROGUES: tuple[Port, ...] = of_trade("rogue")
METERED: tuple[Port, ...] = of_trade("device_alarm")  # only their own episode may use their volume
ORDERLY: tuple[Port, ...] = tuple(p for p in OPEN if p not in SMALL + ROGUES + METERED)
