# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6 审核员 · Reviewers
#
# 工作量、用时、一致性。名字是账号；这里的数字给团队看流程，不给个人打分：人少、件少时区间很宽。
#
# Work, time, and agreement. Names are accounts. The figures are for a team to see how its work goes, not to mark
# persons: with few people and few cases the intervals are wide.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
PAUSE = 300  # seconds; a longer gap between two verdicts was no work on a case

# %%
from itertools import combinations

import altair as alt
import pandas as pd
from figures import Lake

from pipeline.shares import share

lake = Lake(SINCE, UNTIL)
lake.make("""
    CREATE TEMP VIEW verdict AS
    SELECT reviewer, "case", port, fingerprint, campaign, rule, verdict, opened_at, decided_at, messages,
           epoch(decided_at - opened_at) / 60 AS waited,
           epoch(decided_at - lag(decided_at) OVER (PARTITION BY reviewer ORDER BY decided_at)) AS gap
    FROM reviews WHERE reviewer <> 'pipeline' AND opened_at IS NOT NULL AND within(decided_at)
""")
lake.table(f"""
    SELECT reviewer, count(*) AS cases, sum(messages)::BIGINT AS messages,
           round(count(*) FILTER (verdict <> 'release') / count(*), 3) AS refused,
           round(median(gap) FILTER (gap <= {int(PAUSE)}), 1) AS seconds_a_case,
           round(median(waited), 1) AS waited_p50_min, round(quantile_cont(waited, 0.9), 1) AS waited_p90_min
    FROM verdict GROUP BY reviewer ORDER BY reviewer
""")

# %% [markdown]
# ## 何时判定 · When cases were decided

# %%
lake.chart("""
    SELECT date_trunc('hour', local(decided_at)) AS hour, reviewer, count(*) AS cases FROM verdict GROUP BY ALL ORDER BY ALL
""").mark_bar().encode(
    x=alt.X("hour:T", title="时间 time", axis=alt.Axis(format="%m-%d %H:%M")),
    y=alt.Y("cases:Q", title="每小时判定（件） cases an hour"),
    color=alt.Color("reviewer:N", title="审核员 reviewer"),
    tooltip=["hour:T", "reviewer:N", "cases:Q"],
).properties(width=680)

# %% [markdown]
# ## 用时 · Time
#
# 左：两次判定之间的秒数（不含停顿）。右：从立案到判定的分钟数，夜里立案的要等到早上。
#
# Left: seconds between two verdicts, without pauses. Right: minutes from the opening of a case to its verdict; those
# opened at night wait for the morning.

# %%
gaps = (
    lake.chart(f"SELECT reviewer, gap FROM verdict WHERE gap <= {int(PAUSE)}")
    .mark_boxplot(size=22)
    .encode(x=alt.X("gap:Q", title="秒/件 seconds a case"), y=alt.Y("reviewer:N", title=None))
)
waits = (
    lake.chart("SELECT reviewer, greatest(waited, 0.1) AS waited FROM verdict")
    .mark_boxplot(size=22)
    .encode(
        x=alt.X("waited:Q", title="等待（分钟，对数） waited, minutes (log)", scale=alt.Scale(type="log")),
        y=alt.Y("reviewer:N", title=None),
    )
)
gaps.properties(width=300, height=150) | waits.properties(width=300, height=150)

# %% [markdown]
# ## 一致性 · Agreement
#
# 同一内容（或同一活动）在不同案件中由不同的人判定：多少对一致，95 % 区间，以及 Cohen 的 kappa（去掉碰巧一致的部分；
# 0 是碰巧，1 是完全一致）。
#
# One content (or campaign) in several cases, decided by different people: how many pairs agree, the 95 % interval, and
# Cohen's kappa, which takes away what agrees by chance (0: chance, 1: always).

# %%
seen = lake.table("""
    SELECT coalesce(campaign, fingerprint) AS text, reviewer, max_by(verdict, decided_at) <> 'release' AS refused
    FROM verdict GROUP BY ALL ORDER BY ALL
""")
wide = seen.pivot(index="text", columns="reviewer", values="refused")


def compared(a: str, b: str) -> dict[str, object]:
    """The agreement of two reviewers on the texts that both have decided."""
    both = wide[[a, b]].dropna().astype(bool) if len(wide) else pd.DataFrame({a: [], b: []})
    same, of = int((both[a] == both[b]).sum()), len(both)
    told = share(same, of)
    chance = both[a].mean() * both[b].mean() + (1 - both[a].mean()) * (1 - both[b].mean()) if of else 1.0
    kappa = round((same / of - chance) / (1 - chance), 2) if of and chance < 1 else None
    return {"a": a, "b": b, "both": of, "agree": told.value, "low": told.low, "high": told.high, "kappa": kappa}


names = ["a", "b", "both", "agree", "low", "high", "kappa"]
pairs = pd.DataFrame([compared(a, b) for a, b in combinations(wide.columns, 2)], columns=names)
pairs

# %%
cells = alt.Chart(pairs).encode(x=alt.X("b:N", title=None), y=alt.Y("a:N", title=None))
(
    cells.mark_rect().encode(
        color=alt.Color("agree:Q", title="一致 agree", scale=alt.Scale(domain=[0.5, 1], range=["#f4cfc0", "#9fd3ac"]))
    )
    + cells.mark_text().encode(text=alt.Text("agree:Q", format=".0%"))
).properties(width=260, height=160)

# %% [markdown]
# ## 分歧 · Disagreements
#
# 不同的人判定不同的内容，掩码文本，件数多的在前。适合放到下一次对标会上讨论。
#
# Contents on which people differ, with their masked text, the most frequent first: matter for the next calibration.

# %%
lake.table("""
    WITH split AS (
        SELECT coalesce(campaign, fingerprint) AS key, any_value(fingerprint) AS fingerprint, count(*) AS cases,
               count(*) FILTER (verdict = 'release') AS released, count(*) FILTER (verdict <> 'release') AS refused,
               count(DISTINCT reviewer) AS reviewers
        FROM verdict GROUP BY 1 HAVING released > 0 AND refused > 0 AND reviewers > 1
    ), text AS (SELECT fingerprint, any_value(content ORDER BY decided_at, id) AS text FROM cases GROUP BY 1)
    SELECT cases, released, refused, reviewers, text FROM split LEFT JOIN text USING (fingerprint)
    ORDER BY least(released, refused) DESC, cases DESC, key LIMIT 12
""")
