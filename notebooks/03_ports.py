# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 端口 · Ports
#
# 等级、百万投诉率、走向暂停的路，以及先审后发前后的对比。
#
# Tiers, complaints a million messages, the road to suspension, and before and after review-before-send.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
TOP = 12
LEAST_SENT = 100  # messages of a port that is looked at
PORT = ""  # whose road is shown; empty: the one with most complaints of those

# %%
import altair as alt
from figures import GREY, Lake

lake = Lake(SINCE, UNTIL)
# Messages by port and hour, with the tier that the port had. A held message counts with its next round only.
lake.make("""
    CREATE TEMP VIEW sent AS
    SELECT port, coalesce(tier, '') AS tier, date_trunc('hour', local(decided_at)) AS hour,
           sum(messages)::BIGINT AS messages,
           coalesce(sum(messages) FILTER (verdict = 'release'), 0)::BIGINT AS released,
           coalesce(sum(messages) FILTER (verdict = 'review'), 0)::BIGINT AS reviewed,
           coalesce(sum(messages) FILTER (verdict IN ('reject', 'blacklist')), 0)::BIGINT AS refused
    FROM decisions WHERE source = 'submission' AND verdict <> 'hold' AND within(decided_at) GROUP BY ALL
""")
# What left for the carriers, a person's releases included: complaints are of these messages.
lake.make("""
    CREATE TEMP VIEW left_for AS
    SELECT coalesce(d.port, o.sender) AS port, coalesce(d.tier, '') AS tier, local(o.decided_at) AS time, o.messages
    FROM outbound AS o LEFT JOIN decisions AS d
        ON d.sender = o.sender AND d.id = o.id AND d.round = o.decided_round AND d.source = 'submission'
    WHERE within(o.decided_at)
""")
lake.make("""
    CREATE TEMP VIEW complained AS
    SELECT port, local(complained_at) AS time, source FROM complaints WHERE within(complained_at)
""")

# %% [markdown]
# ## 等级 · Tiers
#
# 投诉发生时端口的等级，取投诉之前最近一次判定的等级。样本流量中垃圾短信很多，百万投诉率因此远高于现网。
#
# The tier of a complaint is that of the port's last decision before it. The sample traffic is full of spam, so rates are
# far above those of a real network.

# %%
lake.table("""
    WITH tiers AS (SELECT port, local(decided_at) AS time, tier FROM decisions WHERE tier IS NOT NULL),
         blamed AS (SELECT c.*, t.tier FROM complained AS c ASOF LEFT JOIN tiers AS t ON c.port = t.port AND c.time >= t.time),
         counted AS (SELECT coalesce(tier, '') AS tier, count(*) AS complaints FROM blamed GROUP BY 1),
         gone AS (SELECT tier, sum(messages)::BIGINT AS sent, count(DISTINCT port) AS ports FROM left_for GROUP BY 1)
    SELECT tier, ports, sent, coalesce(complaints, 0) AS complaints, round(1e6 * coalesce(complaints, 0) / sent)::BIGINT AS per_million
    FROM gone LEFT JOIN counted USING (tier) WHERE tier <> '' ORDER BY per_million DESC
""")

# %% [markdown]
# ## 被投诉最多的端口 · Ports with most complaints
#
# 送出少于 `LEAST_SENT` 条的端口不算投诉率：投诉可能针对更早的消息。
#
# A port that sent fewer than `LEAST_SENT` messages has no rate: complaints may be about earlier ones.

# %%
worst = lake.table(f"""
    WITH blamed AS (SELECT port, count(*) AS complaints FROM complained GROUP BY 1),
         gone AS (SELECT port, sum(messages)::BIGINT AS sent FROM left_for GROUP BY 1),
         now AS (SELECT port, max_by(tier, decided_at) AS tier, count(*) FILTER (reasons[1].rule = 'port-suspended') AS stopped
                 FROM decisions WHERE tier IS NOT NULL AND within(decided_at) GROUP BY 1)
    SELECT port, tier, coalesce(sent, 0) AS sent, complaints,
           CASE WHEN sent >= {int(LEAST_SENT)} THEN round(1e6 * complaints / sent)::BIGINT END AS per_million,
           coalesce(stopped, 0) AS refused_as_suspended
    FROM blamed JOIN now USING (port) LEFT JOIN gone USING (port) ORDER BY complaints DESC, port LIMIT {int(TOP)}
""")
worst

# %% [markdown]
# ## 走向暂停 · The road to suspension
#
# 一个端口的累计投诉，与每小时送出的消息。竖线：转为高风险（先审后发），以及首次因暂停被拒。
#
# Complaints of one port so far, above the messages that left each hour. The lines: it became high risk (review before
# send), and the first message that was refused because it was suspended.

# %%
much = worst[worst.sent >= LEAST_SENT].port.tolist() or worst.port.tolist()
port = PORT or (much[0] if much else "")
marks = lake.table("""
    SELECT 'high 高风险' AS mark, min(local(decided_at)) AS time FROM decisions
    WHERE port = $port AND tier = 'high' AND within(decided_at) HAVING count(*) > 0
    UNION ALL
    SELECT 'suspended 暂停', min(local(decided_at)) FROM decisions
    WHERE port = $port AND reasons[1].rule = 'port-suspended' AND within(decided_at) HAVING count(*) > 0
""", port=port)  # fmt: skip
x = alt.X("time:T", title=f"时间 time · 端口 port {port}", axis=alt.Axis(format="%m-%d %H:%M"))
lines = alt.Chart(marks).mark_rule(strokeDash=[4, 3], size=2).encode(x=x, color=alt.Color("mark:N", title="事件 event"))
complaints = (
    lake.chart(
        "SELECT time, row_number() OVER (ORDER BY time) AS complaints FROM complained WHERE port = $port", port=port
    )
    .mark_line(interpolate="step-after", color="#d1603d")
    .encode(x=x, y=alt.Y("complaints:Q", title="累计投诉（件） complaints"))
)
sent = lake.chart("""
    SELECT date_trunc('hour', time) AS time, sum(messages)::BIGINT AS messages FROM left_for WHERE port = $port GROUP BY 1
""", port=port).mark_bar(color=GREY).encode(x=x, y=alt.Y("messages:Q", title="送出（条/小时） sent an hour"))  # fmt: skip
alt.vconcat(
    (complaints + lines).properties(width=640, height=160), (sent + lines).properties(width=640, height=170)
).resolve_scale(x="shared")

# %% [markdown]
# ## 先审后发前后 · Before and after review-before-send
#
# 来源声称：先审后发使投诉下降 75 %、垃圾短信量下降 91 %。这里对每个转为高风险的端口，比较转变前后每天送出的消息与投诉，
# 转变后只算到暂停为止。模拟的日子里审核员按样本的真值判定，所以这里的数字说明算法，不是现网效果的证据。
#
# The claim is 75 % fewer complaints and 91 % less volume. Here every port that became high risk is compared with itself:
# messages that left and complaints a day, before and after, until it was suspended. On simulated days reviewers judge by
# the truth of the sample: the figures show the method and prove nothing of a real network.

# %%
turned = lake.table("""
    WITH seen AS (
        SELECT port, local(decided_at) AS time, tier, reasons[1].rule AS rule FROM decisions
        WHERE tier IS NOT NULL AND within(decided_at)
    ), turn AS (
        SELECT port, min(time) FILTER (tier = 'high') AS turned, min(time) AS first,
               coalesce(min(time) FILTER (rule = 'port-suspended'), max(time)) AS last
        FROM seen GROUP BY port HAVING count(*) FILTER (tier = 'high') > 0 AND count(*) FILTER (tier <> 'high') > 0
    ), day AS (
        SELECT port, 'before' AS side, first AS since, turned AS until FROM turn
        UNION ALL SELECT port, 'after', turned, last FROM turn
    )
    SELECT port, side, round(epoch(until - since) / 86400, 2) AS days,
           (SELECT coalesce(sum(messages), 0) FROM left_for AS l WHERE l.port = day.port AND time >= since AND time < until)
               ::BIGINT AS sent,
           (SELECT count(*) FROM complained AS c WHERE c.port = day.port AND time >= since AND time < until) AS complaints
    FROM day WHERE until > since ORDER BY port, side DESC
""")
enough = turned[(turned.side == "before") & (turned.sent >= LEAST_SENT)].port
turned = turned[turned.port.isin(enough)].reset_index(drop=True)
turned["sent_a_day"] = (turned.sent / turned.days).round(1)
turned["complaints_a_day"] = (turned.complaints / turned.days).round(2)
turned

# %%
total = turned.groupby("side")[["sent", "complaints", "days"]].sum()
if {"before", "after"} <= set(total.index):
    a_day = total[["sent", "complaints"]].div(total.days, axis=0)
    change = (a_day.loc["after"] / a_day.loc["before"] - 1).mul(100).round(1)
    print(f"每天送出 sent a day {change.sent:+.1f} %, 每天投诉 complaints a day {change.complaints:+.1f} %")

# %%
alt.Chart(
    turned.melt(["port", "side"], ["sent_a_day", "complaints_a_day"], "what", "a_day").replace(
        {"what": {"sent_a_day": "送出（条/天） sent a day", "complaints_a_day": "投诉（件/天） complaints a day"}}
    )
).mark_bar().encode(
    x=alt.X("a_day:Q", title=None, axis=alt.Axis(tickCount=4)),
    y=alt.Y("side:N", sort=["before", "after"], title=None),
    row=alt.Row("port:N", title="端口 port", header=alt.Header(labelAngle=0)),
    column=alt.Column("what:N", title=None),
    color=alt.Color("side:N", legend=None, scale=alt.Scale(domain=["before", "after"], range=[GREY, "#4c9f70"])),
).properties(width=260, height=50).resolve_scale(x="independent")
