"""Senders whose text was refused, with invented texts: those that correct it, and those that probe.

    python -m tests.rules.counting.refused_senders

prints the table of docs/policy-guide.md. Everything but the replaced word is refused as long as it holds the word.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.rules.counting.counters import Counter, MemoryCounters
from pipeline.rules.counting.cuts import passages
from pipeline.text.normal import normalise_batch

SENDERS = 100
SEED = 20261129
FOUND_FROM = 3  # as in the shipped rule
WORD = "青屿秒贷"
COUNTER = Counter("refused_cuts", "submission", ("port",), 3_600_000, "cuts", None, "", up_to=500)
GREETING, ENDING = "【锦绣生活】尊敬的会员您好，", "，感谢您一直以来的支持，拒收请回复R"
CLAUSES = (
    *(
        "本店周年庆活动已经开始",
        "全场商品低至五折起售",
        "会员积分可当现金使用",
        "前一百名到店有礼相送",
        "新款秋装现已全部到货",
    ),
    *(
        "凭此短信可领取优惠券",
        "活动截止到本月三十日",
        "门店地址人民路十八号",
        "停车免费请走东侧入口",
        "儿童乐园周末照常开放",
    ),
    *(
        "家电以旧换新最高补贴两千",
        "预约体检套餐立减三百元",
        "咖啡第二杯半价供应",
        "健身年卡限时特惠中",
        "英语课程免费试听一周",
    ),
    *(
        "您预订的蛋糕明早可取",
        "快递柜二十四小时自助取件",
        "请携带本人有效证件办理",
        "详情请咨询当地网点工作人员",
        "最快十分钟审核完毕",
    ),
    *(
        "额度最高可达二十万元",
        "无需抵押也不用担保人",
        "仅凭身份证即可申请办理",
        "利息低至每天万分之二",
        "首次申请免收手续费",
    ),
)

Tries = Iterator[str]


def passages_of(text: str) -> tuple[int, ...]:
    return passages(normalise_batch([text]).folded.texts()[0])


def _offer(rng: random.Random, clauses: int = 0) -> str:
    """A text with the refused word in one of its clauses, each put together from two."""
    pairs = [rng.sample(CLAUSES, 2) for _ in range(clauses or rng.randint(4, 10))]
    chosen = [one[: len(one) // 2] + other[len(other) // 2 :] for one, other in pairs]
    place = rng.randrange(len(chosen))
    cut = rng.randrange(len(chosen[place]) + 1)
    chosen[place] = chosen[place][:cut] + WORD + chosen[place][cut:]
    return "，".join(chosen)


def _other_word(rng: random.Random) -> Tries:
    text = _offer(rng)
    yield text
    yield text.replace(WORD, f"{WORD}款")
    yield text.replace(WORD, "小额贷款")


def _one_clause_less(rng: random.Random) -> Tries:
    parts = _offer(rng).split("，")
    yield "，".join(parts)
    for _ in range(2):
        parts.pop(rng.randrange(len(parts)))
        yield "，".join(parts)


def _half_then_other_word(rng: random.Random) -> Tries:
    parts = _offer(rng).split("，")
    yield "，".join(parts)
    parts = parts[: max(1, len(parts) // 2)]
    yield "，".join(parts)
    yield "，".join(parts).replace(WORD, "小额贷款")


def _the_same_again(rng: random.Random) -> Tries:
    text = _offer(rng)
    yield from [text] * 50


def _by_name(rng: random.Random) -> Tries:
    text = _offer(rng)
    for _ in range(50):
        name = rng.choice("王李张刘陈杨赵黄") + rng.choice(["先生", "女士", "国庆女士"])
        yield f"尊敬的{name}，{text}，金额{rng.randrange(10**6)}元"


def _many_offers(rng: random.Random) -> Tries:
    """A shop's texts of the day, of any length, each with its greeting and ending; a third of them is refused."""
    for n in range(30):
        text = _offer(rng, rng.randint(1, 10))
        yield GREETING + (text if n % 3 == 0 else text.replace(WORD, "")) + ENDING


def _halved(text: str, cut: Callable[[str], int]) -> Tries:
    """The search for the word: one half, and then on in the half that is refused."""
    yield text
    while len(text) >= 2 * len(WORD):
        at = cut(text)
        left, right = text[:at], text[at:]
        yield left
        if WORD in left:
            text = left
        elif WORD in right:
            yield right
            text = right
        else:
            return


def _middle(text: str) -> int:
    return len(text) // 2


def _middle_clause(text: str) -> int:
    marks = [n for n, char in enumerate(text[:-1], 1) if char == "，" and n > 1]
    return min(marks, key=lambda n: abs(n - len(text) // 2)) if marks else len(text) // 2


def _bisects(rng: random.Random) -> Tries:
    yield from _halved(_offer(rng), _middle)


def _bisects_clauses(rng: random.Random) -> Tries:
    yield from _halved(_offer(rng), _middle_clause)


def _bisects_a_greeted_text(rng: random.Random) -> Tries:
    for part in _halved(_offer(rng), _middle):
        yield GREETING + part + ENDING


def _bisects_among_others(rng: random.Random) -> Tries:
    for part in _halved(_offer(rng), _middle):
        yield part
        yield from (_offer(rng).replace(WORD, "") for _ in range(5))


def _shortens(rng: random.Random) -> Tries:
    """A clause less each time, from both ends, as long as the word is in it."""
    parts = _offer(rng, 10).split("，")
    while parts:
        yield "，".join(parts)
        parts.pop(0 if WORD not in parts[0] and rng.random() < 0.5 else -1)


def _other_letters(rng: random.Random) -> Tries:
    text = _offer(rng)
    yield text
    for mark in "·-_ *+":
        yield text.replace(WORD, mark.join(WORD))


@dataclass(frozen=True, slots=True)
class Kind:
    """Senders of one kind."""

    name: str
    probes: bool
    tries: Callable[[random.Random], Tries]


KINDS = (
    Kind("replaces the word, twice", False, _other_word),
    Kind("drops a sentence, twice", False, _one_clause_less),
    Kind("halves the text, then replaces the word", False, _half_then_other_word),
    Kind("sends one text 50 times", False, _the_same_again),
    Kind("sends one text to 50 people, with name and amount", False, _by_name),
    Kind("sends 30 texts with one greeting and ending, 10 refused", False, _many_offers),
    Kind("halves anywhere", True, _bisects),
    Kind("halves between sentences", True, _bisects_clauses),
    Kind("halves, and sends five other texts after each try", True, _bisects_among_others),
    Kind("halves, with greeting and ending around each try", True, _bisects_a_greeted_text),
    Kind("drops a sentence at a time, down to one", True, _shortens),
    Kind("keeps the text, and disguises the word", True, _other_letters),
)


def found(tries: Tries) -> int | None:
    """The number of the try, from 1, at which the shipped rule asks a person or would; None if never."""
    state, at = MemoryCounters(), 0
    for n, text in enumerate(tries, 1):
        at += 10_000
        amount = passages_of(text)
        value = state.add(COUNTER, "p", at, amount) if WORD in text else state.read(COUNTER, "p", at, amount)
        if value >= FOUND_FROM:
            return n
    return None


def counts() -> dict[str, tuple[int, float]]:
    """By kind: how many of its senders are found, and at which try in the mean."""
    rng, of_kind = random.Random(SEED), {}
    for kind in KINDS:
        tries = [n for _ in range(SENDERS) if (n := found(kind.tries(rng))) is not None]
        of_kind[kind.name] = len(tries), sum(tries) / max(1, len(tries))
    return of_kind


if __name__ == "__main__":
    table = counts()
    print("| sender | probes | found | at try |\n|---|---|---|---|")
    for kind in KINDS:
        number, mean = table[kind.name]
        at_try = f"{mean:.1f}" if number else ""
        print(f"| {kind.name} | {'yes' if kind.probes else 'no'} | {number / SENDERS:.1%} | {at_try} |")
