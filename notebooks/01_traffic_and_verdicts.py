# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1 流量与判定 · Traffic and verdicts
#
# 来了多少消息、如何判定、为什么、多快。所有视图中号码是带密钥的哈希，文本已掩码。
#
# What came in, what was decided, why, and how fast. Numbers are keyed hashes and texts are masked in every view
# (`docs/architecture.md`).
#
# Run `antispam up --demo`, or `antispam simulate days --first 2026-11-16` in an empty `ANTISPAM_DATA_DIR`, or name a
# deployment's data folder there. `SINCE` and `UNTIL` are ISO 8601 times with zone; empty: open.
#
# 图是图片，不需要网络。自己逐格运行时，先执行 `figures.with_tooltips()`，图中就有提示框。
#
# Charts are pictures and need no network. When you run the cells yourself, `figures.with_tooltips()` gives them tooltips.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
TOP = 10

# %%
import altair as alt
from figures import BY_VERDICT, TENS, Lake

lake = Lake(SINCE, UNTIL)
lake.table("""
    SELECT source, verdict, count(*) AS decisions, sum(messages)::BIGINT AS messages, round(avg(score), 3) AS mean_score
    FROM decisions WHERE within(decided_at) GROUP BY source, verdict ORDER BY source DESC, decisions DESC
""")

# %% [markdown]
# ## 各时段的判定 · Verdicts over time
#
# 每小时消息数（接收人）。暂缓结束后会再判定一次，因此一条消息可能计两次：一次暂缓，一次最后的判定。
#
# Messages (recipients) an hour by verdict. A hold is decided again when it ends, so its messages appear twice: once
# held, once with their last verdict.

# %%
lake.chart("""
    SELECT date_trunc('hour', local(decided_at)) AS hour, verdict, sum(messages)::BIGINT AS messages
    FROM decisions WHERE within(decided_at) AND source = 'submission' GROUP BY ALL ORDER BY ALL
""").mark_bar().encode(
    x=alt.X("hour:T", title="时间 time", axis=alt.Axis(format="%m-%d %H:%M", labelAngle=0)),
    y=alt.Y("messages:Q", title="每小时消息（条） messages an hour"),
    color=BY_VERDICT,
    tooltip=["hour:T", "verdict:N", "messages:Q"],
).properties(width=700, height=260)

# %% [markdown]
# ## 哪些规则起了作用 · What the rules said
#
# 每个判定的每条理由，按规则与它要求的判定。最严的一条生效，其余也保留。
#
# Each reason of each decision, by rule and the verdict it asked for; the most severe one wins, the others are kept.

# %%
lake.chart("""
    SELECT rule, verdict, sum(messages)::BIGINT AS messages FROM reasons WHERE within(decided_at)
    GROUP BY ALL ORDER BY ALL
""").mark_bar().encode(
    y=alt.Y("rule:N", sort="-x", title=None),
    x=alt.X(
        "messages:Q",
        title="消息（条，对数） messages (log)",
        scale=alt.Scale(type="symlog"),
        axis=alt.Axis(values=TENS, format=",d"),
    ),
    color=BY_VERDICT,
    tooltip=["rule:N", "verdict:N", "messages:Q"],
).properties(width=560)

# %% [markdown]
# ## 端口 · Ports
#
# 未放行最多的端口。`refused` 是拒绝与拉黑占的比例。
#
# The ports most of whose messages were not released. `refused` is the share rejected or blacklisted.

# %%
lake.table(f"""
    SELECT port, messages, released, held, reviewed, rejected, blacklisted,
           round((rejected + blacklisted) / greatest(messages, 1), 3) AS refused
    FROM ports ORDER BY rejected + blacklisted + reviewed DESC, port LIMIT {int(TOP)}
""")

# %% [markdown]
# ## 同一内容 · Contents
#
# 发送最多的内容（指纹：数字、大小写与空格不计），以及多少端口在发。
#
# Contents sent most, by fingerprint (digits, case and spaces do not count), with how many ports sent them.

# %%
lake.table(f"""
    SELECT fingerprint, decisions, messages, ports, coalesce(category, '–') AS category, round(score, 3) AS score, reviewed, rejected
    FROM contents ORDER BY messages DESC, fingerprint LIMIT {int(TOP)}
""")

# %% [markdown]
# ## 分数 · Scores
#
# 每个分数段各判定的占比：低分被拒的，是规则所拒，不是分类器。
#
# What was decided at each score, as shares of the decisions there: what is refused at a low score was refused by a
# rule, not by the classifier.

# %%
lake.chart("""
    SELECT floor(score * 25) / 25 AS bin, floor(score * 25) / 25 + 0.04 AS bin_end, verdict, count(*) AS decisions
    FROM decisions WHERE within(decided_at) AND score IS NOT NULL AND source = 'submission' AND round = 0
    GROUP BY ALL ORDER BY ALL
""").mark_bar().encode(
    x=alt.X("bin:Q", bin="binned", title="垃圾概率 P(spam)", axis=alt.Axis(tickCount=10)),
    x2="bin_end",
    y=alt.Y("decisions:Q", title="占比 share of decisions", stack="normalize"),
    color=BY_VERDICT,
    tooltip=["bin:Q", "verdict:N", "decisions:Q"],
).properties(width=700)

# %% [markdown]
# ## 延迟 · Latency
#
# 从受理到判定，毫秒，仅首轮（以后各轮含暂缓的时间）。模拟的日子每分钟判定一次，其延迟没有意义。
#
# From acceptance to decision, milliseconds, first rounds only (a later round includes its hold). Simulated days decide
# once a minute, so their latency says nothing.

# %%
lake.table("""
    SELECT s.priority AS lane, count(*) AS decisions,
           round(quantile_cont(epoch_ms(d.decided_at) - epoch_ms(d.accepted_at), 0.50), 1) AS p50_ms,
           round(quantile_cont(epoch_ms(d.decided_at) - epoch_ms(d.accepted_at), 0.95), 1) AS p95_ms,
           round(quantile_cont(epoch_ms(d.decided_at) - epoch_ms(d.accepted_at), 0.99), 1) AS p99_ms
    FROM decisions AS d JOIN submissions AS s ON d.sender = s.port AND d.id = s.id AND d.round = s.round
    WHERE d.source = 'submission' AND d.round = 0 AND within(d.decided_at) GROUP BY ALL ORDER BY ALL
""")
