"""Trades: the texts of the ports of each trade. Ports of one trade write alike and differ by signature.

`registered` texts become the port's templates. `free` texts are sent too, but are not registered. All texts were
written for this project; none comes from real traffic or a data set.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.events import Category, Kind

AMBIGUOUS = ("发票", "安全账户")  # words of the default dictionary that honest texts use too


@dataclass(frozen=True, slots=True)
class Trade:
    """The texts of a trade, without signature. `category` is the category of its commercial texts."""

    kind: Kind
    registered: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    category: Category | None = None


def _codes(*texts: str) -> Trade:
    return Trade(Kind.ONE_TIME_CODE, texts)


def _notices(registered: tuple[str, ...], free: tuple[str, ...] = ()) -> Trade:
    return Trade(Kind.NOTICE, registered, free)


def _offers(category: Category, registered: tuple[str, ...], free: tuple[str, ...] = ()) -> Trade:
    return Trade(Kind.COMMERCIAL, registered, free, category)


TRADES: dict[str, Trade] = {
    "bank_code": _codes(
        "您正在登录手机银行，验证码{code}，{minutes}分钟内有效。工作人员不会向您索取，请勿告知他人。",
        "验证码{code}，用于尾号{tail}账户转账{amount}元，请核对金额，切勿转发。",
        "动态密码{code}，您正在绑定新设备，如非本人操作请致电客服。",
    ),
    "bank_notice": _notices(
        (
            "您尾号{tail}的账户{date}{clock}支出人民币{amount}元，余额{balance}元。",
            "您尾号{tail}的账户{date}{clock}收入人民币{amount}元，余额{balance}元。",
            "您的信用卡{month}月账单{amount}元，到期还款日{date}，已还款请忽略。",
            "{name}，您预约的{date}{clock}网点业务已受理，请携带有效证件。",
        ),
        (
            "尊敬的客户，{city}支行因设备检修，{date}暂停对外营业，敬请谅解。",
            "提醒您：本行不会以短信索要密码。",
        ),
    ),
    "bank_offer": _offers(
        Category.FINANCE,
        (
            "{name}，您有一份信用卡分期礼遇，{date}前办理手续费{discount}折，详情见手机银行。拒收请回复R",
            "本周三年期理财新客专享额度开放，产品有风险，投资须谨慎，详询{hotline:contact}，回T退订",
        ),
        ("{name}，周末到网点办理工资卡可领取粮油一份，数量有限，拒收请回复R",),
    ),
    "courier": _notices(
        (
            "您的快递{waybill}已到{road}驿站，取件码{box}，请于{clock}前领取。",
            "快递员正在派送您的包裹{waybill}，联系电话{phone:contact}，请保持畅通。",
            "您的包裹{waybill}已由前台代收，如有疑问请回复本短信。",
            "您寄往{city}的快件{waybill}已揽收，预计{date}送达。",
        ),
        ("受大雾影响，发往{city}的快件可能延误一到两天，给您带来不便敬请谅解。",),
    ),
    "school": _notices(
        (
            "家长您好，{grade}家长会定于{date}{clock}在教学楼{room}召开，请准时参加。",
            "{child}同学今日{clock}已安全到校。",
            "{child}同学今日{clock}已离校，请留意接送。",
        ),
        (
            "各位家长：{day}降温，请给孩子添衣；{subject}作业请督促完成后签字。",
            "接教育局通知，{date}起执行夏季作息，{clock}早读，请互相转告。",
        ),
    ),
    "hospital": _notices(
        (
            "{name}，您预约的{department}{date}{clock}就诊，请提前二十分钟到{room}诊室取号。",
            "您的检验报告已出，可凭就诊卡在自助机打印，或点击{link}查看。",
            "疫苗接种提醒：{child}小朋友的第{small}针可于{date}后接种，请带好接种本。",
        ),
        ("{department}门诊{day}停诊半天，已预约的患者可免费改期，电话{hotline:contact}。",),
    ),
    "carrier": _notices(
        (
            "您本月已使用流量{gigabytes}GB，剩余话费{price}元，查询请回复CXLL。",
            "您{date}充值{hundreds}元已到账，当前余额{price}元。",
            "您的宽带将于{date}到期，请及时续费以免影响使用。",
        ),
        ("温馨提示：{road}基站{date}凌晨升级，期间通话可能短时中断。",),
    ),
    "carrier_offer": _offers(
        Category.RETAIL,
        ("老用户回馈：{gigabytes}GB流量包限时{price}元，回复8办理，回T退订",),
        ("换机补贴来了，到{road}营业厅以旧换新最高补{hundreds}元，回T退订",),
    ),
    "shop_code": _codes(
        "您的登录验证码是{code}，{minutes}分钟内有效，请勿泄露。",
        "{code}为您的支付验证码，订单{order}，请在{minutes}分钟内完成支付。",
    ),
    "shop_notice": _notices(
        (
            "您购买的{product}已发货，运单号{waybill}，点击{link}查看物流。",
            "订单{order}退款{price}元已原路退回，预计{small}个工作日到账。",
            "您的电子发票已开具，订单{order}，请登录账户在我的订单中下载。",
        ),
        ("您收藏的{product}已补货，可在购物车查看。",),
    ),
    "shop_offer": _offers(
        Category.RETAIL,
        (
            "{day}晚八点{product}低至{discount}折，满{hundreds}减{count}，点{link}，拒收请回复R",
            "您有一张{count}元优惠券{date}到期，全场通用，打开应用即可使用，回T退订",
        ),
        (
            "新鲜{fruit}产地直发，{price}元一箱包邮，会员再享{discount}折，回T退订",
            "{name}，生日快乐！送您{hundreds}积分，到店可兑换{product}，回T退订",
        ),
    ),
    "insurance": _notices(
        (
            "您的车险保单尾号{tail}将于{date}到期，续保请联系您的服务专员。",
            "您的理赔申请{order}已结案，赔款{amount}元将于{small}日内到账。",
        ),
        ("台风将至，请将车辆停放高处；出险请先拍照，再致电{hotline:contact}报案。",),
    ),
    "insurance_offer": _offers(
        Category.FINANCE,
        ("{name}，您的保单可享续保{discount}折及专属客服，详询{hotline:contact}，回T退订",),
        ("家庭意外险每天不到一元，最高保{wan}万元，详情咨询保险专员{hotline:contact}，回T退订",),
    ),
    "utility": _notices(
        (
            "户号{account}，{month}月费用{price}元，请于{date}前缴纳。",
            "因线路检修，{road}一带{date}{clock}起停电约{small}小时，请提前准备。",
        ),
        ("{road}水管抢修，{day}{clock}起水压偏低，恢复后请先放水几分钟。",),
    ),
    "weather": _notices(
        (
            "气象台{clock}发布大风蓝色预警，请减少外出，注意高空坠物。",
            "{date}夜间最低气温{degrees}度，请做好防寒防冻准备。",
        ),
        ("{day}气温降至{degrees}度，请关照独居老人，用火用气注意通风。",),
    ),
    "police": _notices(
        (
            "您的车辆{plate}于{date}在{road}违法停车，请及时处理。",
            "您预约的驾驶证换证业务已受理，请{date}到{road}车管所领取。",
        ),
        ("反诈提醒：凡是让您把钱转到所谓安全账户的都是诈骗，公检法不会电话办案。",),
    ),
    "welfare": _notices(
        (
            "您的社保卡已制作完成，请于{date}后到{road}服务大厅领取。",
            "居民医保{date}截止缴费，可到社区或线上办理。",
        ),
        ("{road}服务大厅{date}因系统升级暂停办理业务，请提前安排。",),
    ),
    "airline": _notices(
        (
            "您预订的{flight}航班{date}{clock}起飞，请提前两小时到达，值机柜台见大屏。",
            "您的{flight}航班值机已完成，登机口{small}，{clock}停止登机。",
        ),
        ("{flight}航班因流量控制预计延误，最新起飞时间请以现场广播为准。",),
    ),
    "hotel": _notices(
        (
            "您在{city}店的预订已确认，{date}入住，房号到店告知，订单{order}。",
            "您的入住发生消费{price}元，可在退房时一并结算。",
        ),
        ("{road}店停车场{day}施工，自驾客人请从{place}进入。",),
    ),
    "ride": _notices(
        (
            "司机{surname}师傅已接单，车牌{plate}，预计{minutes}分钟到达{place}。",
            "您{date}的行程费用{price}元，请在应用内支付。",
        ),
        ("{day}有雨，叫车可能需要排队，请提前预约。",),
    ),
    "app_code": _codes(
        "验证码：{code4}，打死也不要告诉别人哦，{minutes}分钟内有效。",
        "您的注册验证码为{code}，如非本人操作请忽略本短信。",
        "{code4}（登录验证码），请在{minutes}分钟内输入。",
    ),
    "app_english": _codes(
        "Your verification code is {code}. It expires in {minutes} minutes. Do not share it with anyone.",
        "{code} is your login code. If you did not ask for it, ignore this message.",
    ),
    "travel_english": _notices(
        (
            "Dear {english_name}, your flight {flight} departs at {clock}. Gate closes 20 minutes earlier.",
            "Your booking {order} is confirmed. Check-in starts at 14:00. Questions? Call {hotline:contact}.",
        ),
        ("Flight {flight} is delayed by about {count} minutes. We are sorry for the wait.",),
    ),
    "estate_management": _notices(
        (
            "业主您好，{room}室{month}月物业费{price}元，可扫码或到前台缴纳。",
            "{garage}车库{date}{clock}冲洗地面，请提前移车。",
        ),
        ("各位业主，{day}{clock}消防演练，警报响起请勿惊慌，谢谢配合。",),
    ),
    "property_offer": _offers(
        Category.PROPERTY,
        ("{name}，您登记的{square}平户型{date}加推，诚邀到访{road}售楼处，回T退订",),
        ("{name}，感谢您上次来访，{square}平样板间已开放，周末到店有礼，回T退订",),
    ),
    "education_offer": _offers(
        Category.EDUCATION,
        ("{name}，您预约的{subject}试听课定于{date}{clock}，{road}校区等您，回T退订",),
        ("{name}，{grade}{subject}暑期班开始报名，老学员立减{hundreds}元，电话{hotline:contact}，回T退订",),
    ),
    "loan_offer": _offers(
        Category.LOAN,
        ("{name}，您申请的授信额度已更新，登录应用查看，借款须量力而行，回T退订",),
        ("{name}，您的备用金额度{wan}万元可用，年化利率以合同为准，理性借贷，回T退订",),
    ),
    "small_business": _offers(
        Category.SERVICES,
        ("{name}，您预约的{date}{clock}到店服务已确认，地址{road}，改期请电{phone:contact}，回T退订",),
        (
            "小店开业满月，{dish}全场{discount}折，凭短信送饮料一杯，{road}，回T退订",
            "{name}，会员卡余额将于{date}清零，欢迎到{road}店消费，回T退订",
            "周末亲子活动还剩{small}个名额，含午餐，报名电话{phone:contact}，回T退订",
        ),
    ),
    "device_alarm": _notices(
        ("设备{account}于{date}{clock}离线，请检查电源和网络。",),
        ("{road}泵房水位{small}米，超过警戒值，请值班人员到场。",),
    ),
    "rogue": Trade(Kind.COMMERCIAL, (), ("新品到店，欢迎选购，回T退订",), Category.RETAIL),
}
