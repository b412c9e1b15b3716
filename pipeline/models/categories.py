"""The category of spam: learnt from the labels of collections and from spam with clear key words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from pipeline.events import Category
from pipeline.models import features
from pipeline.models.classifier import CATEGORY_SHIFT
from pipeline.models.evaluate import Sample

_REGULARISATION = 10.0
_FEWEST = 30  # a category with fewer texts is not learnt

# Categories of known collections, mapped to ours. A collection may also use ours directly.
_CATEGORY_OF = {
    "AD:Loan": Category.LOAN,
    "AD:Network_service": Category.SERVICES,
    "AD:Other": Category.OTHER,
    "AD:Real_estate": Category.PROPERTY,
    "AD:Retail": Category.RETAIL,
    "FR:Financial": Category.FINANCE,
    "FR:Other": Category.FRAUD,
    "FR:Phishing(Bank)": Category.PHISHING,
    "FR:Phishing(Other)": Category.PHISHING,
    "IL:Escort_service": Category.PORNOGRAPHY,
    "IL:Fake_ID_and_invoice": Category.FAKE_DOCUMENT,
    "IL:Gambling": Category.GAMBLING,
    "bank_transfer_fraud": Category.FRAUD,
    "loan": Category.LOAN,
    "real_estate": Category.PROPERTY,
    "recruitment": Category.RECRUITMENT,
    "service_ad": Category.SERVICES,
    "smishing": Category.PHISHING,
    "used_car": Category.RETAIL,
} | {category.value: category for category in Category}

# Spam without a category gets the first category whose key words it contains.
_PLAINLY = [
    (category, re.compile(pattern, re.IGNORECASE))
    for category, pattern in (
        (Category.PORNOGRAPHY, r"裸聊|援交|\b(sexy|horny|nude|naked|porn|xxx|milf|sluts?|escorts?)\b"),
        (
            Category.GAMBLING,
            r"博彩|百家乐|六合彩|\b(casino|betting|rummy|jackpot|poker|teen ?patti|roulette)\b",
        ),
        (Category.FAKE_DOCUMENT, r"代开|办证|刻章|发票"),
        (Category.DRUGS, r"迷药|冰毒|\b(viagra|cialis|xanax|cannabis|tramadol|oxycodone)\b"),
        (Category.PHISHING, r"\b(verify|update|confirm) your\b|\b(suspended|deactivated|kyc|unlock your)\b"),
        (Category.FRAUD, r"中奖|\b(you(?: have|'ve)? won|winner|prize|lottery|unclaimed|inheritance)\b"),
        (Category.LOAN, r"贷款|放款|无抵押|\b(loans?|credit limit|pre-?approved|emi)\b"),
        (
            Category.RECRUITMENT,
            r"招聘|兼职|急招|\b(hiring|vacanc(?:y|ies)|part[- ]time|work from home|recruit\w*)\b",
        ),
        (Category.PROPERTY, r"楼盘|开盘|首付|户型|\b(\d ?bhk|villas?|apartments?|plots?|sq ?ft|flats? in)\b"),
        (
            Category.EDUCATION,
            r"培训|招生|辅导|驾校|课程|\b(admissions?|scholarships?|coaching|courses?|neet|jee)\b",
        ),
        (
            Category.FINANCE,
            r"股票|理财|牛股|\b(stocks?|trading|mutual funds?|invest\w*|forex|bitcoin|crypto\w*)\b",
        ),
        (
            Category.SERVICES,
            r"美容|家政|搬家|\b(recharge|data pack|unlimited calls|ringtones?|tariff|salon)\b",
        ),
        (
            Category.RETAIL,
            r"优惠|特价|促销|打折|\b(sale|discount|coupon|cashback|shop now|flat off|offers?)\b",
        ),
    )
]


def fit_categories(
    matrix: sp.csr_matrix, samples: Sequence[Sample], seed: int
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Train the category model. Returns its categories and int8 weights by (bucket >> CATEGORY_SHIFT, category)."""
    found = [(row, category) for row, sample in enumerate(samples) if (category := category_of(sample))]
    counts = Counter(category for _, category in found)
    learnt = [(row, category) for row, category in found if counts[category] >= _FEWEST]
    buckets = features.BUCKETS >> CATEGORY_SHIFT
    if len({category for _, category in learnt}) < 3:  # too few categories to train a model
        return (Category.OTHER.value,), np.zeros((buckets, 1), dtype=np.int8)
    rows = matrix[[row for row, _ in learnt]].tocoo()
    coarse = sp.csr_matrix((rows.data, (rows.row, rows.col >> CATEGORY_SHIFT)), shape=(len(learnt), buckets))
    model = LogisticRegression(C=_REGULARISATION, max_iter=60, tol=1e-3, class_weight="balanced", random_state=seed)
    model.fit(coarse, [category.value for _, category in learnt])
    weights = model.coef_.T
    integers = np.rint(weights / np.abs(weights).max() * np.iinfo(np.int8).max).astype(np.int8)
    return tuple(str(name) for name in model.classes_), np.ascontiguousarray(integers)


def category_of(sample: Sample) -> Category | None:
    """The category of a spam sample, from its label or its key words; None if neither gives one."""
    if sample.label != "spam":
        return None
    if sample.category in _CATEGORY_OF:
        return _CATEGORY_OF[sample.category]
    return next((category for category, says in _PLAINLY if says.search(sample.text)), None)
