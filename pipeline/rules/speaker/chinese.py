"""Chinese sentences in a brand's name: 工商银行提醒您, 您的顺丰快件丢失, …请点击办理。中国移动."""

from __future__ import annotations

import re

from pipeline.rules.speaker.said import Said, Sureness

# In front of a name: the text tells of the brand, or warns of those who pretend to be it.
_TOLD_OF = re.compile(
    r"(?:冒充|假冒|仿冒|冒用|伪造|伪装成?|谎称|自称(?:是)?|声称|所谓|诈骗|骗子|谨防|警惕|如遇|遇到|接到|收到|据"
    r"|根据|按照?|依照|看到|关注"
    r"|联系|咨询|询问|致电|拨打|拨|打|询|找|问|加|添加|搜索|下载|登录|打开|进入|通过|支持|使用|用|对接|接入|与|和"
    r"|及|或|跟|比|像|非|不是"
    r"|等|对标|超越|媲美|离开|前往|到|去|在|至|从|向)(?:[一-鿿]{0,2})$"
)
_SHOP = re.compile(
    r"本店|我店|店铺|门店|旗舰店|小店|驿站|代收点|物业|门卫|前台|本馆|本酒店|我院|本商场|卖家|店主|本超市|我校"
)

_TELLS = re.compile(  # 工商银行提醒您
    r"(?:客服中心|客服|信用卡中心|信用卡|卡中心|总行|[一-鿿]{0,4}(?:分行|支行|分公司|营业厅)|官方|安全中心"
    r"|风控中心|风控|反诈中心|短信"
    r"|小助手|助手|团队|平台|商城|app|公司|银行)?"
    r"(?:在此|现|再次|郑重|特别|特此)?(?:温馨|安全|友情|官方|紧急|重要|贴心|服务|还款|缴费|到期|风险|消费|账单|积分)?"
    r"(?:提醒(?=您|你|:|,|!|各|广大|尊敬|用户|客户|旅客|乘客|纳税人)|提示(?=您|你|:|,|各|广大)|通知(?=您|你|:|,"
    r"|各)|敬告|告知您"
    r"|(?:恭|敬)?祝(?:您|你|全|大家|广大|各)|邀请?(?:您|你)|诚邀|敬邀|感谢(?:您|你)|恭喜(?:您|你)|欢迎(?:您|你)"
    r"|(?:已|现|将|正|正在|特|免费|诚意|倾情|限时)?(?:为|给|向|赠|送)(?:您|你)(?!方便))"
)
_INTRODUCED = re.compile(  # 我是京东客服, 这里是中国移动
    r"(?:我是|我们是|这里是|此处是|这边是|我这边是|我司|我行|本行|我方|我处|本公司)(?:来自)?[(\[]?(?:中国)?$"
)
_MEMBER = re.compile(  # 我是京东用户
    r"(?:的?(?:老|新)?(?:用户|会员|客户|商家|商户|店主|骑手|司机|员工|粉丝|博主|达人|主播|路|店|小区|门口|附近"
    r"|对面|楼|广场|站))"
)
_ADDRESSED = re.compile(r"(?:尊敬|亲爱|尊贵|敬爱)的(?:中国)?$")  # 尊敬的工行客户
_ADDRESSEE = re.compile(
    r"(?:信用卡|储蓄卡|借记卡|手机银行|网银|个人|企业|白金|钻石|金卡|银卡|vip|plus|宽带|5g|全球通|淘宝|白条|月付"
    r"|买家|超级|尊享|老|新)*"
    r"(?:客户|用户|会员|持卡人|卡友|旅客|乘客|商户|商家|车主|家人|粉丝|买家|卖家|司机|骑手|纳税人|参保人|储户"
    r"|缴存人|朋友)"
)
_STARTS = re.compile(  # 中国移动:您本月话费
    r"(?:客服中心|客服|信用卡中心|信用卡|官方|安全中心|风控中心|反诈中心|小助手|助手|团队|平台|理赔中心|理赔部"
    r"|理赔员|快递员|派送员|业务员|专员"
    r"|审核部|财务部|法务部|放款中心|信贷部|催收部|网银|手机银行|退款|赔付|积分|账单|贷款|额度|传票|订单|包裹|派送"
    r"|缴费|还款|会员|提醒|通知|提示|温馨提示|紧急通知|重要通知|安全提醒|营业厅|公司)*"
    r"(?::|,(?=您|你|尊敬|亲|温馨|为您|为保|经|由于|因|系统)|\s(?=您|尊敬|亲爱))"
)
_OFFICER = re.compile(  # 京东客服, at the beginning of a text
    r"(?:官方|总部|在线)?(?:客服中心|人工客服|客服专员|客服|理赔中心|理赔员|理赔专员|快递员|派送员|工作人员"
    r"|审核部|财务部|法务部|放款中心|信贷部)"
    r"(?:[一-鿿]{1,3})?(?:[:,]|(?=您好|告知|通知|提醒|为您))"
)
_SIGNS_OFF = re.compile(r"(?:[。!？?;~]|—{1,2}|-{2,})\s*(?:中国)?$")  # …详询95588。工商银行
_CLOSES = re.compile(  # …敬请谅解工商银行, without a mark
    r"(?:谅解|支持|致歉|激活|查询|兑换|升级|认证|登录|冻结|清零|停用|失效|配合|领取|缴纳|周知|留意|知悉|通知|愉快|安康)(?:中国)?$"
)
_OURS = re.compile(r"我行|我司|本行|尊敬的|您的")
_ENDS = re.compile(
    r"(?:信用卡中心|客服中心|客服|团队|敬上|宣|[一-鿿]{0,4}(?:分行|支行|分公司))?[。!\s]*(?:[^一-鿿]{0,3}(?:退订"
    r"|拒收).{0,8})?$"
)
_YOURS = re.compile(r"(?:您|你|贵方)(?:的|在|名下的?|持有的|办理的|尾号[\dx*]{2,4}的|于)?(?:中国)?$")  # 您的工行账户
_WAY = re.compile(  # 退回您的支付宝账户, 绑定您的工行卡
    r"(?:退回|退还|退至|退到|返还|返至|转入|转到|转至|转账|汇入|汇至|汇到|打入|打到|打至|存入|存到|到账|提现|绑定"
    r"|绑|使用|用|凭|刷|从|到|至|向|给|往"
    r"|支付|关联|通过|出示|持|输入|添加|核对|查收|查看|请查|点击|登录|打开|携带|带|由|经|将|把|授权|扫|留意|关注"
    r"|以)(?:到|至|入)?$"
)
_THING = (
    r"的?(?:银行|尾号[\dx*]{2,4}的?|个人|手机|网上|电子|储蓄|信用|借记|龙|金|银|联名|二类|一类|活期|定期|社保"
    r"|会员|宽带|plus|vip|etc|app|对公|企业|商户|[\dx* ]{3,20})*"
    r"(?:卡|账户|账号|帐户|帐号|网银|手机银行|积分|额度|贷款|包裹|快件|快递|邮件|会员|号码|套餐|话费|订单|店铺"
    r"|钱包|密码|证书|u盾|e盾|借款|账单|流量"
    r"|支付|身份|信息|实名|业务|服务|电子券|里程|保单|宽带|授信|资料|认证|登录|状态)?"
)
_TROUBLE = re.compile(
    rf"{_THING}[^。!;]{{0,22}}?(?:异常|冻结|停用|失效|过期|风险|锁定|注销|受限|限制|涉嫌|涉案|清零|逾期|盗用|盗刷"
    rf"|违规|封停|封禁|欠费|停机"
    r"|派送失败|无法派送|无法投递|派送异常|遗失|丢失|破损|滞留|扣留|扣押|清关|关税|违禁|理赔|赔付|补全|重新认证"
    r"|重新激活|实名认证|即将到期|将到期|已到期"
    r"|未认证|待激活|未激活|被关闭|将关闭|自动扣费|开通了|年检)"
)
_BOOKED = re.compile(
    rf"{_THING}[^。!;]{{0,22}}?(?:支出|消费|扣款|收入|入账|转入|转出|存入|余额|已开通|升级|更新|核实|登录|验证码"
    rf"|提额|提升|获得|审批|通过|兑换|可兑|到期)"
)


def tells_of(before: str) -> bool:
    """Whether the words before a name tell of it: 打开, 支持, 收到."""
    return _TOLD_OF.search(before) is not None


def speaks_chinese(said: Said) -> Sureness | None:
    """Whether a Chinese sentence speaks as the brand that it names."""
    before, behind = said.before, said.behind
    if _INTRODUCED.search(before) and not _MEMBER.match(behind):
        return "sure"
    if said.at_start and (_STARTS.match(behind) or _OFFICER.match(behind)):
        return "sure"
    if _TELLS.match(behind) and not tells_of(before):
        return "sure"
    if said.near_end and _ENDS.match(behind):
        if said.dashed or _SIGNS_OFF.search(before):
            return "beside"
        if _CLOSES.search(before) and _OURS.search(said.text):
            return "beside"
    if _ADDRESSED.search(before) and _ADDRESSEE.match(behind):
        return None if _SHOP.search(said.text) else "beside"
    yours = _YOURS.search(before)
    if yours and not _WAY.search(before[: yours.start()]) and not _SHOP.search(said.text):
        if _TROUBLE.match(behind):
            return "sure"
        return "perhaps" if _BOOKED.match(behind) else None
    return None
