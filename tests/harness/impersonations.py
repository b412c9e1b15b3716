"""617 texts that name a brand: in passing, as competitor, as way to pay, or as the one who speaks.

Written for this project; no real message is copied. Every pattern is filled with four brands. `speaks` is what a reader
would say: does the text pretend to come from the brand? The sender of all of them is a small company of its own name.
"""

from __future__ import annotations

from dataclasses import dataclass

OWN = "示例百货"  # the registered signature of the sender of Chinese texts
OWN_LATIN = "Northfield"

_ZH = {
    "bank": ("工商银行", "招行", "中国建设银行", "农业银行", "浦发银行", "交通银行", "邮储银行", "平安银行"),
    "pay": ("微信支付", "支付宝", "云闪付", "京东白条"),
    "courier": ("顺丰", "圆通", "中通快递", "韵达", "京东快递", "极兔"),
    "carrier": ("中国移动", "中国联通", "中国电信", "10086"),
    "shop": ("京东", "淘宝", "拼多多", "抖音", "美团", "天猫"),
    "office": ("公安局", "税务局", "医保局", "社保局", "12123", "海关"),
}
_EN = {
    "bank": ("HSBC", "Chase", "Barclays", "Wells Fargo", "Santander", "HDFC Bank", "Bank of America", "Lloyds"),
    "pay": ("PayPal", "Cash App", "Venmo", "Paytm"),
    "courier": ("Royal Mail", "USPS", "FedEx", "DPD", "DHL", "Evri"),
    "carrier": ("Verizon", "Vodafone", "T-Mobile", "AT&T"),
    "shop": ("Amazon", "Netflix", "eBay", "Apple", "Walmart", "Facebook"),
    "office": ("HMRC", "the IRS", "DVLA", "Medicare"),
}

# In passing, as competitor, as way to pay, in a warning: nobody is impersonated.
_MENTIONED = {
    "zh": (
        "【示例百货】本店支持{pay}、刷卡和现金，会员日全场8折，回T退订",
        "【示例百货】使用{pay}付款满100减20，每人限一次，回T退订",
        "【示例百货】您的退款128.50元已原路退回您的{bank}卡，预计3个工作日到账",
        "【示例百货】退款已到您的{pay}账户，请注意查收",
        "【示例百货】您的订单已由{courier}发出，单号7712345678901，请留意派送",
        "【示例百货】凭{courier}单号可在小程序查询物流，如有破损请当面拒收",
        "【示例百货】{courier}快递员将在今天下午送货，请保持电话畅通",
        "【示例百货】您有一件{courier}快递已到东门驿站，取件码3-2-7418",
        "【示例百货】比{shop}便宜三成，同款电饭煲只要199元，欢迎到店比价，回T退订",
        "【示例百货】{shop}同款保温杯，到店自提再减10元，退订回T",
        "【示例百货】我们的{shop}旗舰店开业啦，搜索示例百货领券，回T退订",
        "【示例百货】本店已入驻{shop}，欢迎收藏店铺，拒收请回复R",
        "【示例百货】凭{bank}信用卡消费满200元立减50元，名额有限，回T退订",
        "【示例百货】持{bank}储蓄卡的顾客可在收银台办理分期，详询前台",
        "【示例百货】地址：人民路88号，{bank}对面，周六试营业，回T退订",
        "【示例百货】{carrier}营业厅旁边新店开张，进店有礼，回T退订",
        "【示例百货】充值{carrier}话费满100送10元代金券，到店办理，回T退订",
        "【示例百货】请大家警惕冒充{shop}客服的诈骗电话，我店从不索要验证码",
        "【示例百货】近期有人自称{bank}工作人员上门办卡，请业主提高警惕",
        "【示例百货】接到所谓{office}的电话要求转账，都是诈骗，请立即挂断",
        "【示例百货】按{office}要求，本周起实名登记，请携带身份证到前台办理",
        "【示例百货】请到{office}窗口领取发票凭证，领取后告知我店会计",
        "【示例百货】工资已发放到各位的{bank}卡，如有疑问请找人事小王",
        "【示例百货】开户行：{bank}城东支行，户名示例百货有限公司，请今日付清货款",
        "【示例百货】付款方式：现金、银行转账、{pay}",
        "【示例百货】请绑定您的{pay}后再下单，首单立减5元，回T退订",
        "【示例百货】本周六与{bank}联合举办亲子活动，扫码报名，回T退订",
        "【示例百货】因{courier}运力紧张，您的订单将延迟一天送达，敬请谅解",
        "【示例百货】您是{shop}会员吗？会员截图可到店换购一元抽纸，回T退订",
        "【示例百货】招聘店员，{carrier}家属院附近，月薪5000起，电话联系店长",
        "我在{bank}排队呢，你先去吃饭，一会儿{shop}门口见",
        "妈，{courier}的包裹我放门口了，{pay}的钱我晚点转你",
    ),
    "en": (
        "[Northfield] We accept {pay}, cards and cash. Weekend sale 20% off, reply STOP to opt out",
        "[Northfield] Pay with {pay} at checkout and save 5 on your first order",
        "[Northfield] Your refund of 12.50 has been sent to your {bank} card and takes 3 days",
        "[Northfield] We have refunded 30.00 to your {pay} account, order 55512",
        "[Northfield] Your order 55512 has shipped via {courier}, tracking 7712345",
        "[Northfield] {courier} will deliver your order 55512 today between 2 and 4pm",
        "[Northfield] Your parcel was handed to {courier} this morning. Thank you for your order",
        "[Northfield] Cheaper than {shop}: the same kettle for 19.99 in store this week only",
        "[Northfield] Same price as on {shop}, but you take it home today. Reply STOP to opt out",
        "[Northfield] Find us on {shop} too: search for Northfield Kettles",
        "[Northfield] Win a 50 {shop} gift card when you join our loyalty club this month",
        "[Northfield] Get 10% cashback with your {bank} card at our tills this weekend",
        "[Northfield] New store opposite {bank} on High Street opens Saturday at 9",
        "[Northfield] Beware of callers pretending to be {bank}. We never ask for your PIN",
        "[Northfield] Scam alert: texts claiming to be from {courier} are going round. Do not click",
        "[Northfield] Our rent invoice for {office} is attached in the portal, please check the VAT",
        "[Northfield] As required by {office}, bring your ID when you collect the keys",
        "[Northfield] {carrier} customers get free coffee in our cafe with the app",
        "[Northfield] We fixed the {carrier} outage in our building, wifi works again",
        "[Northfield] Sign in with {shop} or email to see your receipt",
        "[Northfield] Please link your {pay} so that we can pay your shift bonus",
        "[Northfield] Your salary was paid into your {bank} account today",
        "[Northfield] Like {shop}, but for gardeners: stream 200 courses. Reply STOP to opt out",
        "[Northfield] Hosting a {shop} watch party on Friday, snacks half price all day",
        "[Northfield] Open to anyone leaving {carrier}: bring your number and get a free case",
        "[Northfield] The {courier} driver could not find the shop, so your click and collect order is a day late",
        "[Northfield] Drop your return at any {courier} point with the QR code we emailed",
        "[Northfield] Staff: the {bank} card reader at till 3 is broken, use till 4",
        "[Northfield] Deposits by bank transfer: {bank}, account name Northfield Ltd, ref your order number",
        "[Northfield] Better than waiting for {courier}: collect in one hour",
        "I'm at {bank} now, meet me outside {shop} later?",
        "Can you send me the {pay} for the pizza, {courier} left your parcel with me",
    ),
}
# The text pretends to come from the brand.
_SPEAKING = {
    "zh": (
        "【{bank}】您的账户存在风险，请点击链接完成认证，逾期冻结",
        "您的积分即将清零，请尽快登录兑换【{carrier}】",
        "【{courier}】您的包裹地址不详，请补全信息以便再次派送",
        "【{office}】您有一笔补贴待领取，请于今日内办理",
        "【{shop}客服】您的订单质量不合格，现为您办理三倍赔付，请联系专员",
        "【示例百货】{bank}提醒您：信用卡额度已提升，请登录确认",
        "{bank}温馨提醒您，您尾号8890的账户今日被限制交易，请速与专员联系",
        "尊敬的{bank}客户，您的手机银行今日到期，请更新",
        "尊敬的{carrier}用户，您的积分可兑换话费128元，今日截止",
        "您好，我是{shop}客服小李，您购买的奶粉检测不合格，给您办理退款",
        "您好这里是{office}，您涉嫌一起洗钱案件，请立即回电配合调查",
        "我们是{bank}信用卡中心，可为您办理大额分期，回复1了解",
        "您的{bank}账户因长期未更新资料已被冻结，请今日内办理解冻",
        "您的{pay}账户存在异常，将于24小时内停用，请重新认证",
        "您的{courier}快件在运输途中丢失，现主动为您理赔，请加理赔员",
        "您在{bank}的贷款已逾期，今日不还将上门催收",
        "您的{shop}账号涉嫌违规即将封禁，请点击申诉",
        "{carrier}：您本月话费已欠费，请尽快缴纳以免停机",
        "{courier}理赔中心：您的包裹破损，请提供收款账户",
        "【示例百货】{office}通知：您的参保状态异常，请点击链接核实",
        "您的额度已审批通过，最高20万元，随借随还。{bank}",
        "恭喜您获得话费充值券一张，回复领取。——{carrier}",
        "{shop}为您开通了百万保障服务，每月自动扣费800元，如需关闭请致电",
        "{bank}诚邀您办理白金信用卡，免年费，额度最高30万",
        "亲爱的{shop}会员，您的会员今日到期将自动扣费，取消请联系客服",
        "【示例百货】我司{courier}查到您的快件含违禁品，请配合核查",
        "{office}敬告：您名下车辆有违章未处理，请速办理，逾期加收滞纳金",
        "感谢您使用{pay}，您的账户今日起需实名认证，{pay}安全中心提醒您尽快办理",
        "尊敬的客户，{bank}将于今日升级系统，{bank}特为您开通绿色通道，请点击办理",
        "您的{carrier}套餐已失效，请点击续费，{carrier}祝您生活愉快",
    ),
    "en": (
        "{bank}: We noticed unusual activity on your account. Verify now to avoid suspension",
        "{courier}: your parcel is held at our depot, pay the 1.45 fee to release it",
        "This is {bank} fraud team. A payment of 499.99 was made from your account, call us now",
        "Hello, this is {shop} support. Your order of an iPhone 899.00 is confirmed, call to cancel",
        "Your {bank} account has been suspended due to suspicious activity, log in to restore access",
        "Your {shop} account is on hold because of a billing problem. Update your card today",
        "Your {courier} package could not be delivered because of an incomplete address",
        "Your {pay} account has been limited. Confirm your identity within 24 hours",
        "Dear {bank} customer, your online banking access expires today",
        "Dear {carrier} customer, you have 1200 points that expire tonight, redeem now",
        "{courier} has attempted to deliver your parcel. Reschedule for a small fee",
        "{bank} has detected a new device on your account. If this was not you, call us",
        "{office}: you are due a tax refund of 268.40, claim it before Friday",
        "This is a final notice from {office}. Legal action will be taken unless you pay today",
        "Final reminder: settle the outstanding balance today to avoid disconnection - {carrier}",
        "A transfer of 950.00 is pending. If this was not you, reply NO. {bank} Security Team",
        "Thank you for banking with {bank}. Please update your details at the secure site",
        "We are from {courier}, your customs fee is unpaid and the parcel will be returned",
        "[{bank}] Your card is blocked. Tap to unblock",
        "[{shop}] Your subscription payment failed, renew to keep watching",
        "{shop} Alert: someone signed in to your account from a new phone",
        "{pay} Security: a payment of 350 to J Smith is pending, cancel it here",
        "Hi, I'm calling from {bank}, we need you to move your savings to a safe account",
        "Customer, {courier} is holding your package until the shipping fee is paid by you",
        "We could not process your payment and your plan stops tonight. Regards, {carrier}",
        "[Northfield] {bank} reminds you: verify your account to avoid closure",
        "Your {carrier} bill is overdue and your line will be disconnected. Pay now",
        "{office} - your licence is about to expire, renew your details today",
        "Attention {shop} member, your membership is about to be cancelled, confirm your card",
        "FreeMsg {bank}: Did you try a payment of 1,204.00 at BESTBUY? Reply YES or NO",
        "You have a new message from {bank}: your card has been frozen, call 0800 to reactivate it",
    ),
}


# Written after the sentences of `pipeline/rules/speaker/` and before their first correction.
_LATER_MENTIONED = (
    "【云溪民宿】到店出示携程订单号即可办理入住，周边停车免费",
    "【云溪民宿】您在美团预订的大床房已确认，入住请带身份证",
    "【绿野超市】刷建行生活App满50减10，仅限今天，回T退订",
    "【绿野超市】收银机升级，今天暂时不能用支付宝，请备好现金",
    "【绿野超市】周年庆抽奖，一等奖华为手机一部，回T退订",
    "【绿野超市】顺丰明天停收件，急件请今天寄出",
    "【绿野超市】您预留的包裹由中国邮政承运，约两天到",
    "【青松幼儿园】学费请转入农行账户，备注孩子姓名",
    "【青松幼儿园】家长可用微信或支付宝缴纳餐费",
    "【青松幼儿园】请家长提醒孩子不要给抖音主播打赏",
    "【青松幼儿园】反诈宣传：凡自称公检法要求转账的都是骗子",
    "【青松幼儿园】疫苗信息以医保局公布的名单为准",
    "【锐步装饰】与京东家装同样的材料，价格只有一半，回T退订",
    "【锐步装饰】不满意淘宝买的窗帘？我们上门测量定做",
    "【锐步装饰】工商银行大楼二层是我们的样板间，欢迎参观",
    "【锐步装饰】装修贷可在中国银行、建设银行、招商银行申请，利率以银行为准",
    "【锐步装饰】发票已寄出，圆通单号YT223344，请查收",
    "【锐步装饰】客户王先生，尾款请打到平安银行6230开头的卡",
    "【好记面馆】饿了么下单满30减12，堂食另有小菜，回T退订",
    "【好记面馆】大众点评收藏打卡送酸梅汤一杯",
    "【好记面馆】滴滴司机凭接单页面午餐八折",
    "【好记面馆】移动营业厅搬走后，我们扩大了二楼，欢迎光临",
    "【好记面馆】招聘：会用抖音拍视频的优先",
    "【物业服务中心】国家电网明早八点停电检修，请提前准备",
    "【物业服务中心】中国电信施工人员今天进楼维修光缆，请勿惊慌",
    "【物业服务中心】丰巢柜故障，快递暂放门岗",
    "【物业服务中心】请业主下载个人所得税APP填报，不会的到服务台来",
    "【物业服务中心】交警大队提示门口路段限行，请绕行",
    "【同城家政】阿姨的工资已通过微信支付发放",
    "【同城家政】小红书上搜我们的店名可以看真实评价，回T退订",
    "刚从工行出来，定期的利息还不如买国债",
    "你淘宝那件衣服到货没，京东上便宜十块",
    "[Harbour Gym] Use your Apple Watch in every class from Monday",
    "[Harbour Gym] Direct debit details changed: HSBC sort code on your invoice",
    "[Harbour Gym] Show your Tesco receipt for a free day pass",
    "[Harbour Gym] Netflix and sweat: films on the big screen each Friday",
    "[Harbour Gym] Our Facebook page has the new timetable",
    "[Harbour Gym] You can now book by WhatsApp or at the desk",
    "[Harbour Gym] Amazon parcels can be left at reception until 8pm",
    "[Harbour Gym] The Royal Mail strike may delay your member card",
    "[Harbour Gym] Staff from Barclays get half price until June",
    "[Harbour Gym] Contactless, Apple Pay and Visa accepted",
    "[Willow Dental] Bring your NHS exemption card to your visit on Monday",
    "[Willow Dental] We take Medicare and most private plans",
    "[Willow Dental] Your aligners are with DHL and should arrive on Tuesday",
    "[Willow Dental] Review us on Google and get a free brush",
    "[Willow Dental] Parking is behind the Lloyds branch",
    "[Willow Dental] HMRC rules mean we must keep your records for six years",
    "[Bean Cafe] Pay by Revolut or Monzo, no minimum",
    "[Bean Cafe] Uber drivers: free refill on weekdays",
    "[Bean Cafe] Cheaper than Walmart beans and roasted in town",
    "[Bean Cafe] We are next to T-Mobile on Main St",
    "[Bean Cafe] Order on eBay closed, use our site",
    "[Bean Cafe] FedEx picks up at 5, so order beans by 3",
    "[Bean Cafe] Do not trust anyone who says they are from Wells Fargo and wants our till code",
    "did you cancel netflix? amazon has the same film",
    "my chase card got declined lol, can you venmo me",
)
_LATER_SPEAKING = (
    "【工行95588】您的手机银行将失效，请及时升级",
    "【顺丰国际】您有一票进口件需补缴税款，请在今天完成",
    "【招商银行信用卡】您有38万备用金额度待领取，点击申请",
    "【淘宝卖家服务】您的订单异常无法发货，请联系专员退款",
    "【ETC客服】您的ETC已停用，请重新激活",
    "【个税专办】个人所得税APP提示您有退税未领，请登录办理",
    "【医保中心】您的电子医保凭证即将停用，请认证",
    "【美团月付】您的账单已逾期，今日将上报征信",
    "【苹果官方】您的设备在异地登录，请核实",
    "【锐步装饰】中国移动提醒您：星级客户可免费领取一部手机，回复领取",
    "【锐步装饰】您好，这里是顺丰速运，您的快件丢失，现为您办理双倍赔偿",
    "【锐步装饰】尊敬的招商银行持卡人，您的积分本月底作废",
    "【锐步装饰】建设银行邀请您参加年终客户回馈，到网点领取大米一袋",
    "京东金融客服：您大学时开通的账户不符合国家规定，需要注销",
    "您好，我是美团平台的客服，您的会员今晚自动续费",
    "您的医保卡在外地被盗刷，这里是医保局，请配合",
    "【锐步装饰】公安局通知您于三日内携带身份证配合调查",
    "您的支付宝花呗逾期，账户将被冻结，请尽快处理",
    "您的微信账号被多人投诉，即将限制登录，请点击解除",
    "您在拼多多的订单因海关扣押，需您缴纳保证金",
    "中国农业银行：您的网银盾已过期，请登录更新",
    "抖音客服您好，检测到您误开通直播会员，每月扣款500元，如需取消请回电",
    "为保障您的用卡安全，请完成实名核验。交通银行信用卡中心",
    "您的快件因地址错误滞留，请补充信息——中国邮政",
    "银联通知：您的境外交易8888元待确认，如非本人请联系",
    "【贷款中心】微粒贷为您提额至20万，点击查看",
    "你的天猫账户涉嫌刷单，已暂停使用，请配合审核",
    "中国电信送您100G流量，点击领取，过期无效",
    "支付宝安全中心：有人正在重置您的密码",
    "国家反诈中心提醒您，您的账号涉案，请加好友核查",
    "Royal Mail: A parcel for you is awaiting a small payment",
    "USPS: The arrival of your parcel is delayed, update address",
    "Barclays Fraud Alert. A new payee was added. Not you? Visit the page",
    "Your Netflix membership is on pause as your last payment did not go through",
    "Your Apple ID was used to sign in on a new iPhone. If not you, verify",
    "Your PayPal has been temporarily restricted, restore it here",
    "Amazon: your Prime renewal of 79.99 will be taken today",
    "Hello from Evri! We missed you, rebook here",
    "It's Chase calling about card activity, reply Y or N",
    "Hi mum this is not spam, HSBC has blocked your card so call them on this number",
    "IRS Notice: you have an unclaimed stimulus payment",
    "E-ZPass: your toll of 6.99 is unpaid, late fees apply",
    "DVLA: your vehicle tax payment failed",
    "Medicare Services: your new card is ready, confirm your details",
    "Dear Paytm user your KYC is pending, call now",
    "Dear SBI customer, your YONO account is blocked, update PAN",
    "HDFC Bank: KYC pending, account will close today",
    "Wells Fargo Online: your profile needs to be verified",
    "Facebook Security: your page will be removed for copyright reasons",
    "Your WhatsApp account expires soon, tap to keep it",
    "This is Microsoft support, your computer is sending errors",
    "Verizon has selected you for a reward for paying on time",
    "We tried to reach you about your Walmart order, confirm now. Walmart Team",
    "Congratulations from Costco! You have won a 90 dollar reward",
    "Your Coinbase wallet has been locked, verify your seed phrase",
    "Binance: withdrawal of 0.5 BTC requested. Not you? Call",
    "UPS: you have (1) package waiting. Use the code to schedule",
    "DPD - we were unable to deliver your parcel, choose a new slot",
    "Lloyds Bank: a Direct Debit was set up, cancel at the page",
    "Your Bank of America debit card is temporarily locked, call to unlock",
)
LATER_SIGNATURES = (
    *("云溪民宿", "绿野超市", "青松幼儿园", "锐步装饰", "好记面馆", "物业服务中心", "同城家政"),
    *("Harbour Gym", "Willow Dental", "Bean Cafe"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """A text that names a brand; `speaks` is True if it pretends to come from it."""

    text: str
    speaks: bool


def impersonations() -> list[Named]:
    """The 500 texts: each pattern with four brands, each brand in turn."""
    return [
        Named(text, speaks)
        for patterns, speaks in ((_MENTIONED, False), (_SPEAKING, True))
        for language, brands in (("zh", _ZH), ("en", _EN))
        for n, pattern in enumerate(patterns[language])
        for text in _filled(pattern, brands, n)
    ]


def later_texts() -> list[Named]:
    """117 further texts, each of its own wording; their honest senders have LATER_SIGNATURES."""
    return [Named(text, speaks=False) for text in _LATER_MENTIONED] + [
        Named(text, speaks=True) for text in _LATER_SPEAKING
    ]


def _filled(pattern: str, brands: dict[str, tuple[str, ...]], turn: int) -> list[str]:
    kinds = [kind for kind in brands if f"{{{kind}}}" in pattern]
    return [pattern.format(**{kind: brands[kind][(turn + n) % len(brands[kind])] for kind in kinds}) for n in range(4)]
