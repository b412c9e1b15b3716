"""Texts between persons: innocent, the largest part of record traffic, and never to be hit by rules.

Written for this project; blanks and choices have the syntax of `wording`.
"""

from __future__ import annotations

TALK = (
    "{day}去{place}吃{dish}吗，我请客",
    "我到{place}了，你[到哪了|还有多久|出发没]",
    "[堵车了|刚下班|才出地铁]，可能晚{minutes}分钟，你们先吃",
    "{friend}，钥匙放门口鞋柜里了，记得[关窗|喂猫|收衣服]",
    "晚上想吃什么？我去[买菜|超市]，{dish}行不行",
    "会议改到{clock}了，{room}会议室，别跑错",
    "[收到|好的|嗯嗯|行]，那{day}见",
    "今天接孩子你去还是我去？我{clock}才能走",
    "妈让我问你{day}回不回来吃饭",
    "[谢谢|多谢]{friend}，改天请你吃{dish}",
    "你上次说的那本书叫什么来着，我想[借|买]一本",
    "票买好了，{date}{clock}那班，[靠窗|连座]",
    "到家了吗？到了报个平安",
    "这个月房租转你了，你[看看|查一下]到账没",
    "[下雨了|起风了]，阳台的被子快收一下",
    "{friend}生日，咱们凑份子送个{product}怎么样",
    "高铁{clock}到{city}，不用接，我自己打车",
    "我手机快没电了，有事打{phone}",
    "药吃了没？{department}的复查是{date}，别忘了",
    "作业是{subject}第{small}页到第{count}页，老师说{day}交",
    "猫又把杯子打碎了，[气死|笑死]我了",
    "周报发你邮箱了，{clock}前帮我看看呗",
    "你的快递到了，一共{small}件，我先帮你放着",
    "[早|早上好]，今天降温，多穿点",
    "睡了吗？[睡不着|聊会儿]",
    "电影{clock}开场，我在{place}等你",
    "{fruit}到货了，挺甜的，给你留了一箱",
    "面试通过了！{date}入职，请你们吃{dish}",
    "球场订好了，{day}{clock}，{small}个人",
    "[哈哈|哈哈哈哈]真的假的",
    "车停{garage}了，靠近电梯那边",
    "验证码发你了没？我登不上去",
    "我换号了，新号{phone}，{friend}存一下",
    "老师好，{child}今天发烧，请假一天",
    "{road}那家{dish}[关门了|涨价了|不错]，下次换一家",
    "在开会，[晚点|一会儿]回你",
    "帮我看下{day}{city}的天气，要不要带伞",
    "工资发了没？我这边还没到",
    "[对不起|不好意思]，刚才手机静音没听到",
    "路上小心，到了说一声",
)

TALK_ENGLISH = (
    "[Running late|Stuck in traffic], be there in {minutes} minutes",
    "Are we still on for {clock}? [Usual place|Same table] works for me",
    "Happy birthday {english_name}! [Dinner|Drinks] on me this weekend",
    "Can you pick up some milk on the way home?",
    "Landed. Waiting for my bag, see you outside in {minutes}",
    "Thanks {english_name}, I got the slides. Will read them tonight",
    "Call me when you are free, nothing urgent",
    "The meeting moved to room {room}, {clock}",
)

GREETINGS = (
    "新年快乐！祝你和家人身体健康，万事顺意。——{friend}",
    "中秋快乐，月圆人团圆，有空回来坐坐",
    "本周{day}{clock}球队训练，{place}集合，自带水，收到回1",
    "各位邻居，{day}团购{fruit}，{price}元一箱，要的回复房号",
)

# Innocent texts with words of the dictionary.
INNOCENT = (
    "报销的发票放你桌上了，财务说{date}前要交",
    "开发票的抬头发我一下，税号也要",
    "昨晚那部讲赌场的电影你看了吗，结局没看懂",
    "警察来小区讲课，说让转钱到安全账户的都是骗子，提醒下爸妈",
    "结婚证丢了去哪补？民政局办证大厅周末上班吗",
)

UNSUBSCRIBE_REPLIES = ("T", "TD", "退订", "R", "t", "N")
OTHER_REPLIES = ("1", "8", "CXLL", "收到，谢谢", "好的，我{clock}去取", "改到{day}可以吗")
