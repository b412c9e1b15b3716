# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 模型 · The model
#
# 校准、漂移、按类别的错误，以及挑战者与现行策略的对比。真值是审核员的判定：只有送审的文本才有，所以这里看到的是
# 分类器起疑的那部分流量，不是全部。
#
# Calibration, drift, errors by kind, and the challenger against the champion. The truth is what reviewers decided. Only
# texts that were given to a person have it, so what is seen here is the traffic that something suspected, not all of it.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
BINS = 10

# %%
import altair as alt
import numpy as np
import pandas as pd
from figures import GREY, Lake

from pipeline.shares import share

lake = Lake(SINCE, UNTIL)
# Each first decision whose content (or campaign) on the same port a person has decided, with the last such verdict.
lake.make("""
    CREATE TEMP VIEW judged AS
    WITH verdicts AS (
        SELECT port, fingerprint, max_by(verdict, decided_at) <> 'release' AS refused
        FROM reviews WHERE reviewer <> 'pipeline' AND fingerprint IS NOT NULL GROUP BY ALL
    ), of_campaign AS (
        SELECT port, campaign, max_by(verdict, decided_at) <> 'release' AS refused
        FROM reviews WHERE reviewer <> 'pipeline' AND campaign IS NOT NULL GROUP BY ALL
    )
    SELECT d.id, d.port, d.kind, d.category, d.score, d.verdict, d.messages, d.decided_at, d.model, d.beside,
           coalesce(c.refused, v.refused) AS refused
    FROM decisions AS d LEFT JOIN verdicts AS v ON v.port = d.port AND v.fingerprint = d.fingerprint
    LEFT JOIN of_campaign AS c ON c.port = d.port AND c.campaign = d.campaign
    WHERE d.source = 'submission' AND d.round = 0 AND d.score IS NOT NULL AND within(d.decided_at)
      AND coalesce(c.refused, v.refused) IS NOT NULL
""")
lake.table("""
    SELECT model, count(*) AS judged, sum(refused::INT)::BIGINT AS refused, round(avg(score), 3) AS mean_score,
           round(avg((score - refused::INT) ** 2), 4) AS brier
    FROM judged GROUP BY model ORDER BY judged DESC
""")

# %% [markdown]
# ## 校准 · Calibration
#
# 每个分数段中，人工拒绝的比例（点）及 95 % 区间；虚线为完全校准。
#
# The share that people refused at each score (points), with its 95 % interval; on the dashed line a score is what it says.

# %%
bins = lake.table(f"""
    SELECT least(floor(score * {int(BINS)}), {int(BINS) - 1})::INT AS bin, count(*) AS judged,
           sum(refused::INT)::BIGINT AS refused, avg(score) AS score
    FROM judged GROUP BY 1 ORDER BY 1
""")
shares = [share(int(row.refused), int(row.judged)) for row in bins.itertuples()]
bins["observed"] = [each.value for each in shares]
bins["low"], bins["high"] = [each.low for each in shares], [each.high for each in shares]
x = alt.X("score:Q", title="平均分 mean score", scale=alt.Scale(domain=[0, 1]))
ideal = alt.Chart(pd.DataFrame({"score": [0, 1], "observed": [0, 1]})).mark_line(strokeDash=[4, 4], color=GREY)
base = alt.Chart(bins).encode(x=x)
(
    ideal.encode(x=x, y=alt.Y("observed:Q", title="人工拒绝 refused by people"))
    + base.mark_rule(color="#9bb8d3", size=3).encode(y="low:Q", y2="high:Q")
    + base.mark_circle(color="#1f4e79", opacity=1).encode(
        y="observed:Q", size=alt.Size("judged:Q", title="件数 judged"), tooltip=["score:Q", "observed:Q", "judged:Q"]
    )
).properties(width=380, height=320)

# %% [markdown]
# ## 漂移 · Drift
#
# 每天分数的分布，以及与第一天相比的总体稳定性指数（PSI）：0.1 以下稳定，0.25 以上应当查明原因。样本只有几天，
# 每天的突发活动不同，PSI 会偏大。
#
# The distribution of scores each day, and its population stability index against the first one: under 0.1 is stable,
# over 0.25 asks for a reason. Days of the sample have other incidents each, so theirs is high.

# %%
scores = lake.table("""
    SELECT strftime(local(decided_at), '%m-%d') AS day, least(floor(score * 10), 9)::INT AS bin, count(*) AS decisions
    FROM decisions WHERE source = 'submission' AND round = 0 AND score IS NOT NULL AND within(decided_at)
    GROUP BY ALL ORDER BY ALL
""")
grid = scores.pivot_table(index="day", columns="bin", values="decisions", fill_value=0).reindex(
    columns=range(10), fill_value=0
)
parts = (grid + 0.5).div((grid + 0.5).sum(axis=1), axis=0)  # half a decision: no bin is empty
psi = ((parts - parts.iloc[0]) * np.log(parts / parts.iloc[0])).sum(axis=1).round(3) if len(parts) else pd.Series()
pd.DataFrame({"decisions": grid.sum(axis=1).astype(int), "psi": psi})

# %%
alt.Chart(scores).mark_rect().encode(
    x=alt.X("day:O", title="日期 day"),
    y=alt.Y("bin:O", title="分数段（十分之一） tenth of the score", sort="descending"),
    color=alt.Color("decisions:Q", title="判定 decisions", scale=alt.Scale(type="symlog", scheme="blues")),
    tooltip=["day:O", "bin:O", "decisions:Q"],
).properties(width=380, height=240)

# %% [markdown]
# ## 错误 · Errors by kind
#
# 低分却被人工拒绝（漏），高分却被放行（误），按业务与模型给出的类别。
#
# Refused by people at a low score (missed), released at a high one (false alarms), by service and by the model's
# category.

# %%
lake.table("""
    SELECT kind, coalesce(category, '–') AS category, count(*) AS judged,
           count(*) FILTER (refused AND score < 0.5) AS missed, count(*) FILTER (NOT refused AND score >= 0.9) AS false_alarms,
           round(count(*) FILTER (NOT refused AND score >= 0.9) / count(*), 3) AS share_false
    FROM judged GROUP BY ALL ORDER BY missed + false_alarms DESC, judged DESC LIMIT 20
""")

# %% [markdown]
# ## 挑战者与现行 · Challenger against champion
#
# 影子策略（或候选模型）对同一消息的判定，与生效的判定对照；再看人工判定站在哪一边。
#
# What the policy in shadow (or the candidate with another model) would have decided, against what was decided, and on
# which side people stood.

# %%
pairs = lake.table("""
    WITH pair AS (
        SELECT id, port, verdict AS champion, unnest(beside).verdict AS challenger FROM decisions
        WHERE source = 'submission' AND round = 0 AND within(decided_at)
    )
    SELECT champion, challenger, count(*) AS decisions, count(j.id) AS judged,
           coalesce(sum(j.refused::INT), 0)::BIGINT AS refused_by_people
    FROM pair LEFT JOIN judged AS j USING (id, port) GROUP BY ALL ORDER BY ALL
""")
pairs[pairs.champion != pairs.challenger]

# %%
order = ["release", "hold", "review", "reject", "blacklist"]
cells = alt.Chart(pairs).encode(
    x=alt.X("challenger:N", title="挑战者 challenger", sort=order),
    y=alt.Y("champion:N", title="现行 champion", sort=order),
)
(
    cells.mark_rect().encode(
        color=alt.Color(
            "decisions:Q", title="判定 decisions", scale=alt.Scale(type="symlog", range=["#eef4fb", "#9fc1e6"])
        )
    )
    + cells.mark_text(font="Noto Sans CJK SC").encode(text="decisions:Q")
).properties(width=320, height=220)
