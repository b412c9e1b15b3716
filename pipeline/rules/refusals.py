"""The reasons that a reviewer gives for a refusal: a closed list, because senders and their programs read it.

The port's owner gets the code and its sentence, never the reviewer's note.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pipeline.events import Category


class Refusal(StrEnum):
    """Why a reviewer refused; the value is the code that senders see."""

    FRAUD = "fraud"
    GAMBLING = "gambling"
    PORNOGRAPHY = "pornography"
    PROHIBITED = "prohibited"
    FINANCE = "finance"
    ADVERTISING = "advertising"
    SIGNATURE = "signature"
    LINK = "link"
    OTHER = "other"


SENTENCES: Mapping[Refusal, Mapping[str, str]] = {
    refusal: {"zh": zh, "en": en}
    for refusal, zh, en in (
        (Refusal.FRAUD, "涉嫌诈骗或冒充他人", "fraud, or it speaks for somebody else"),
        (Refusal.GAMBLING, "涉嫌赌博", "gambling"),
        (Refusal.PORNOGRAPHY, "涉嫌色情", "pornography"),
        (Refusal.PROHIBITED, "含法律禁止的内容", "content that the law forbids"),
        (Refusal.FINANCE, "金融内容缺少资质或签名", "finance without a licence or signature"),
        (Refusal.ADVERTISING, "营销短信缺少同意或退订方式", "advertising without consent or a way to unsubscribe"),
        (Refusal.SIGNATURE, "签名与端口或内容不符", "the signature does not fit the port or the text"),
        (Refusal.LINK, "链接或联系方式未登记", "a link or contact that is not registered"),
        (Refusal.OTHER, "其他原因", "another reason"),
    )
}

# What the category of the classifier suggests; of other categories nothing is suggested.
SUGGESTED: Mapping[str, Refusal] = {
    Category.FRAUD: Refusal.FRAUD,
    Category.PHISHING: Refusal.FRAUD,
    Category.GAMBLING: Refusal.GAMBLING,
    Category.PORNOGRAPHY: Refusal.PORNOGRAPHY,
    Category.DRUGS: Refusal.PROHIBITED,
    Category.WEAPONS: Refusal.PROHIBITED,
    Category.COUNTERFEIT: Refusal.PROHIBITED,
    Category.FAKE_DOCUMENT: Refusal.PROHIBITED,
    Category.LOAN: Refusal.FINANCE,
    Category.FINANCE: Refusal.FINANCE,
    Category.PROPERTY: Refusal.ADVERTISING,
    Category.EDUCATION: Refusal.ADVERTISING,
    Category.RETAIL: Refusal.ADVERTISING,
    Category.SERVICES: Refusal.ADVERTISING,
}
