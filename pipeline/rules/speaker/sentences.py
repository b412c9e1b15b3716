"""Does a sentence speak in a brand's name, or does it only mention the brand?

"工商银行提醒您" and "This is Royal Mail" speak as the brand. "支持微信支付" and "cheaper than Netflix" mention it. The
words right before and behind the name decide. Both are in normal form: small letters, half width.

The sentences were written for this project; docs/policy-guide.md has the measured mistakes.
"""

from __future__ import annotations

import re

from pipeline.rules.speaker.chinese import speaks_chinese, tells_of
from pipeline.rules.speaker.english import speaks_english
from pipeline.rules.speaker.said import Said, Sureness

_BEFORE, _BEHIND = 40, 60  # code points that are read before and behind a name
# 冒充银行和京东客服. A warning counts only right in front of the name: an impostor may begin with one.
_PRETENDED = re.compile(
    r"(?:(?:冒充|假冒|仿冒|冒用|伪造|伪装|谎称|自称|声称)[^。!;,]{0,16}|(?:骗子|谨防|警惕|防范)[^。!;,]{0,6})$"
)
_MARKS = re.compile(
    r"^[^\w]*(?:[【\[][^】\]]{1,40}[】\]])?[^\w]*(?:(?:您|你)好|hi|hello|dear customer|尊敬的(?:客户|用户)"
    r"|(?:紧急|重要|温馨|安全)?(?:通知|提醒|提示)|freemsg|free msg)?[^\w]*(?:the )?$"
)
_chinese = re.compile(r"[一-鿿]").search


def speaks(text: str, start: int, end: int, *, dashed: bool = False) -> Sureness | None:
    """Whether the text speaks as the brand named at `start` to `end`, and how sure that is; None for a mention.

    "beside": the text greets the customers of the brand, or ends with its name. A text with a signature of its own may
    have two senders: a bank that writes for the toll office.
    "perhaps": an account or a card of the brand is written of as its bank would, but a wallet or a shop may too.
    `dashed` as in `Said`.
    """
    before, behind = text[max(0, start - _BEFORE) : start], text[end : end + _BEHIND]
    if _PRETENDED.search(before):
        return None
    if before.endswith("【") and behind.startswith("】") and not tells_of(before[:-1]):
        return "sure"
    at_start = start <= _BEFORE and _MARKS.match(before) is not None
    said = Said(text, before, behind, at_start, len(text) - end <= _BEHIND, dashed)
    if _chinese(text, start, end) or _chinese(before[-6:] + behind[:6]):
        return speaks_chinese(said)
    return speaks_english(said)
