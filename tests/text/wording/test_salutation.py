"""A salutation by name at the beginning of a text, and those that name nobody."""

from __future__ import annotations

import pytest

from pipeline.text.normal import normalise_batch
from pipeline.text.wording.salutation import find_salutations


@pytest.mark.parametrize(
    "text",
    [
        "【锦绣花园】尊敬的王女士，三期开放",
        "【启明英语】李先生您好，周六试听",
        "【启明英语】亲爱的欧阳先生，寒假班开课",
        "【启明英语】张子轩家长您好，寒假班开课",
        "张伟您好，寒假班开课",
        "您好，陈女士，三期开放",
        "尊敬的王**女士，三期开放",
        "【示例】王 女 士，您好",
        "刘总，周末看房",
        "[Shop] Dear Ms. Wong, our new homes",
        "Dear Mr Wong",
        "Hi John, your class starts",
        "Dear John Smith, new homes",
    ],
)
def test_a_name_is_found(text: str) -> None:
    assert find_salutations(normalise_batch(["x", text])) == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "【锦绣花园】尊敬的客户，三期开放",
        "尊敬的业主，您好",
        "【示例】车主您好，保养优惠",
        "亲爱的顾客您好，三八节优惠",
        "家长您好，寒假班开课",
        "万科业主您好",
        "马上就妈妈生日了",
        "江景房开盘，王先生也来了",
        "王府井百货周年庆",
        "Dear customer, new homes",
        "Dear valued member, new homes",
        "Hi there, new homes",
        "Hi Dear customer, you have met",
        "Dear Sir or Madam",
        "Hello! New class",
    ],
)
def test_nobody_is_named(text: str) -> None:
    assert find_salutations(normalise_batch([text])) == [False]
