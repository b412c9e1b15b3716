# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 规则 · Rules
#
# 命中、重叠、准确率，以及用回测扫描阈值。
#
# Hits, overlap, precision, and sweeps of a threshold with the backtest.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
TOP = 16
SWEEP = "score-review.score=0.3,0.5,0.7,0.9,0.99"
SWEEP_HOURS = 24  # the end of the period is replayed; 0: no replay

# %%
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import altair as alt
import pandas as pd
from figures import Lake, antispam

from pipeline.decision.configuration import default_policy
from pipeline.shares import share

lake = Lake(SINCE, UNTIL)

# %% [markdown]
# ## 命中 · Hits
#
# 每条规则命中的判定与消息，其中由它决定判定的，以及影子模式中的命中。
#
# Decisions and messages that each rule matched, those whose verdict it decided, and matches in shadow mode.

# %%
lake.table(f"""
    WITH live AS (
        SELECT reason.rule AS rule, count(*) AS hits, sum(messages)::BIGINT AS messages,
               count(*) FILTER (first) AS decided
        FROM (SELECT messages, unnest(reasons) AS reason, generate_subscripts(reasons, 1) = 1 AS first
              FROM decisions WHERE within(decided_at) AND round = 0) GROUP BY 1
    ), silent AS (
        SELECT one.rule AS rule, count(*) AS in_shadow
        FROM (SELECT unnest(shadow) AS one FROM decisions WHERE within(decided_at) AND round = 0) GROUP BY 1
    )
    SELECT rule, coalesce(hits, 0) AS hits, coalesce(messages, 0) AS messages, coalesce(decided, 0) AS decided,
           coalesce(in_shadow, 0) AS in_shadow
    FROM live FULL JOIN silent USING (rule) ORDER BY hits DESC, rule LIMIT {int(TOP)}
""")

# %%
lake.chart(f"""
    WITH most AS (SELECT rule FROM reasons WHERE within(decided_at) GROUP BY rule ORDER BY count(*) DESC, rule LIMIT {int(TOP)})
    SELECT strftime(local(decided_at), '%m-%d') AS day, rule, count(*) AS hits
    FROM reasons SEMI JOIN most USING (rule) WHERE within(decided_at) AND round = 0 GROUP BY ALL ORDER BY ALL
""").mark_rect().encode(
    x=alt.X("day:O", title="日期 day"),
    y=alt.Y("rule:N", title=None),
    color=alt.Color("hits:Q", title="命中 hits", scale=alt.Scale(type="symlog", scheme="blues")),
    tooltip=["rule:N", "day:O", "hits:Q"],
).properties(width=420)

# %% [markdown]
# ## 重叠 · Overlap
#
# 行的规则命中时，列的规则也命中的比例。接近 1 的一对，其中一条可能多余。
#
# When the rule of the row matched, how often the rule of the column did. Of a pair near 1 one may be redundant.

# %%
lake.chart(f"""
    WITH most AS (SELECT rule FROM reasons WHERE within(decided_at) GROUP BY rule ORDER BY count(*) DESC, rule LIMIT {int(TOP)}),
         hits AS (SELECT DISTINCT rule, port, id FROM reasons SEMI JOIN most USING (rule) WHERE within(decided_at) AND round = 0),
         size AS (SELECT rule, count(*) AS hits FROM hits GROUP BY 1)
    SELECT a.rule AS rule, b.rule AS other, count(*) / any_value(size.hits) AS share
    FROM hits AS a JOIN hits AS b USING (port, id) JOIN size ON size.rule = a.rule
    WHERE a.rule <> b.rule GROUP BY ALL ORDER BY ALL
""").mark_rect().encode(
    x=alt.X("other:N", title="也命中 also matched", axis=alt.Axis(labelAngle=-40)),
    y=alt.Y("rule:N", title="命中 matched"),
    color=alt.Color("share:Q", title="比例 share", scale=alt.Scale(domain=[0, 1], scheme="oranges")),
    tooltip=["rule:N", "other:N", alt.Tooltip("share:Q", format=".0%")],
).properties(width=420)

# %% [markdown]
# ## 准确率 · Precision
#
# 规则立案的案件中，人工拒绝的比例，及其 95 % 区间。少数几件的高比例说明不了什么：看区间。
#
# Of the cases that a rule opened and a person decided, the share refused, with its 95 % interval. A high share of a few
# cases says little: look at the interval.

# %%
judged = lake.table("""
    SELECT rule, count(*) AS cases, count(*) FILTER (verdict <> 'release') AS refused
    FROM reviews WHERE rule IS NOT NULL AND reviewer <> 'pipeline' AND within(decided_at)
    GROUP BY rule ORDER BY cases DESC, rule
""")
shares = [share(int(row.refused), int(row.cases)) for row in judged.itertuples()]
judged["precision"] = [each.value for each in shares]
judged["low"], judged["high"] = [each.low for each in shares], [each.high for each in shares]
base = alt.Chart(judged).encode(y=alt.Y("rule:N", sort="-x", title=None))
(
    base.mark_rule(size=3, color="#9bb8d3").encode(x=alt.X("low:Q", title="准确率 precision"), x2="high:Q")
    + base.mark_point(filled=True, size=70, color="#1f4e79").encode(
        x=alt.X("precision:Q", scale=alt.Scale(domain=[0, 1])),
        tooltip=["rule:N", "cases:Q", "refused:Q", "precision:Q"],
    )
).properties(width=460)

# %% [markdown]
# ## 阈值扫描 · Threshold sweep
#
# 回测用另一个数重放一段时间：判定会怎样改变，人工已判定的消息会落在哪边。重放要读全文，所以只有数据目录的属主能运行。
#
# The backtest replays a time with another number: how verdicts would change, and on which side the messages fall that
# people have judged. A replay reads full texts, so only the owner of the data folder can run it.

# %%
newest = lake.table("SELECT epoch_ms(max(decided_at)) AS at FROM decisions WHERE within(decided_at)")["at"][0]
told = ""
if SWEEP_HOURS and not pd.isna(newest):
    until = int(newest) + 1
    period = ("--since", str(until - SWEEP_HOURS * 3_600_000), "--until", str(until))
    with TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        policy.write_text(default_policy(), encoding="utf-8")
        told, said = antispam("backtest", "--policy", policy, *period, "--sweep", SWEEP)
    print(said)
swept = pd.DataFrame(
    [
        {"value": result["value"], "verdicts": verdicts.replace(">", " → "), "decisions": count}
        for result in (json.loads(told)["tested"] if told else [])
        if result["value"] is not None
        for verdicts, count in result["verdicts"].items()
    ],
    columns=["value", "verdicts", "decisions"],
)
swept.pivot(index="value", columns="verdicts", values="decisions").fillna(0).astype(int)

# %%
same = swept.verdicts.str.fullmatch(r"(\w+) → \1")
alt.Chart(swept[~same.astype(bool)]).mark_bar().encode(
    x=alt.X(
        "value:O",
        title=SWEEP.partition("=")[0],
        scale=alt.Scale(domain=SWEEP.partition("=")[2].split(",")),
    ),
    y=alt.Y("decisions:Q", title="改变的判定（件） decisions that change", axis=alt.Axis(tickMinStep=1, format="d")),
    color=alt.Color("verdicts:N", title="原判定 → 新判定"),
    tooltip=["value:O", "verdicts:N", "decisions:Q"],
).properties(width=420)
