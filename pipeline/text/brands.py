"""Brands that links imitate, with their real domains, and the hosts of link shorteners.

General knowledge, kept short: a brand belongs here if messages imitate it and its name is not an ordinary word.
"""

from __future__ import annotations

# Registered domains of each brand. A host with the brand's name under another domain counts as an imitation.
BRANDS: dict[str, frozenset[str]] = {
    name: frozenset(domains.split())
    for name, domains in {
        "icbc": "icbc.com.cn icbc.com icbc.com.mo",
        "ccb": "ccb.com ccb.cn",
        "abchina": "abchina.com abchina.com.cn",
        "bankofchina": "bankofchina.com",
        "bankcomm": "bankcomm.com bankcomm.cn",
        "cmbchina": "cmbchina.com cmbchina.cn",
        "psbc": "psbc.com",
        "cmbc": "cmbc.com.cn",
        "unionpay": "unionpay.com",
        "95588": "",
        "95533": "",
        "95599": "",
        "95566": "",
        "10086": "10086.cn 10086.com.cn",
        "10010": "10010.com 10010.cn",
        "12306": "12306.cn",
        "alipay": "alipay.com alipay.cn alipay.com.cn alipayobjects.com alipay.hk",
        "taobao": "taobao.com taobao.cn taobao.org",
        "tmall": "tmall.com tmall.hk",
        "weixin": "weixin.com qq.com",
        "wechat": "wechat.com wechatpay.com",
        "chsi": "chsi.com.cn chsi.cn",
        "icloud": "icloud.com icloud.com.cn",
        "appleid": "apple.com",
        "paypal": "paypal.com paypal.me paypal.cn paypal.de paypal.fr paypal.it paypal.es paypal.co.uk",
        "amazon": "amazon.com amazon.cn amazon.co.uk amazon.de amazon.co.jp amazon.in amazon.fr amazon.it amazon.es "
        "amazon.ca amazon.com.au amazon.sg amazon.nl amazon.com.br amazon.com.mx amazon.ae amazon.se amazon.pl "
        "amazon.com.tr amazon.com.be amazon.sa amazon.jobs amazonpay.in",
        "netflix": "netflix.com",
        "microsoft": "microsoft.com microsoft.cn microsoftonline.com",
        "facebook": "facebook.com",
        "whatsapp": "whatsapp.com",
        "instagram": "instagram.com",
        "coinbase": "coinbase.com",
        "binance": "binance.com",
        "fedex": "fedex.com",
        "usps": "usps.com usps.gov",
        "royalmail": "royalmail.com",
        "hsbc": "hsbc.com hsbc.com.cn hsbc.co.uk hsbc.com.hk hsbc.ae hsbc.com.sg hsbc.com.my hsbc.com.tw hsbc.fr",
        "barclays": "barclays.co.uk barclays.com",
        "wellsfargo": "wellsfargo.com",
        "hdfcbank": "hdfcbank.com hdfc.bank.in",
        "onlinesbi": "onlinesbi.com onlinesbi.sbi",
    }.items()
}

# Words that imitators append to a brand's name.
COMPANIONS = (
    *("wap", "bank", "card", "pay", "app", "vip", "login", "verify", "secure", "security", "service", "support"),
    *("online", "mobile", "help", "alert", "update", "account", "delivery"),
)

SHORTENERS = frozenset(
    (
        *("t.cn", "url.cn", "w.url.cn", "dwz.cn", "dwz.win", "suo.im", "suo.nz", "suo.yt", "985.so", "mrw.so"),
        *("t.im", "rrd.me", "c7.gg", "u.nu", "dw4.co", "m6z.cn", "tb.cn", "m.tb.cn", "u.jd.com", "3.cn"),
        *("y.qq.com", "sourl.cn", "sina.lt", "t.hk.uy", "dlj.li", "bit.ly", "j.mp", "tinyurl.com", "goo.gl"),
        *("t.co", "is.gd", "v.gd", "ow.ly", "buff.ly", "rb.gy", "cutt.ly", "shorturl.at", "u.to", "tiny.cc"),
        *("adf.ly", "bl.ink", "s.id", "lnkd.in", "rebrand.ly", "t.ly", "tiny.one", "soo.gd", "clck.ru"),
        *("qr.ae", "amzn.to", "fb.me", "youtu.be", "bitly.com", "shorte.st"),
    )
)
