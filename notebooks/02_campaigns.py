# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2 群发活动 · Campaigns
#
# 哪些文本成批出现、长得多快、如何变形、谁在发。
#
# Which texts come in numbers, how fast they grow, how they change, and who sends them.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
TOP = 12
LEAST = 5  # submissions of a text, to be looked at here
SAME = 0.60  # least share of common trigrams of two texts of one variant
ALIKE = 0.30  # and of one family
FAMILY = 0  # the family shown in detail: its place in the table of families

# %%
from difflib import SequenceMatcher
from html import escape
from itertools import combinations

import altair as alt
import pandas as pd
from figures import BY_VERDICT, TENS, Lake
from IPython.display import HTML

lake = Lake(SINCE, UNTIL)
lake.table(f"""
    SELECT campaign, messages, ports, most_in_5m, coalesce(category, '–') AS category, round(score, 2) AS score, released, reviewed, rejected,
           strftime(local(first_seen), '%m-%d %H:%M') AS first_seen, strftime(local(last_seen), '%m-%d %H:%M') AS last_seen
    FROM campaigns WHERE within(last_seen) ORDER BY messages DESC, campaign LIMIT {int(TOP)}
""")

# %% [markdown]
# ## 增长 · Growth
#
# 每个活动最近一次公布时的累计消息。陡的线是突发，缓的线是日常。
#
# Messages of each campaign so far, each time it was told. A steep line is a burst, a flat one is everyday.

# %%
lake.chart(f"""
    WITH most AS (SELECT campaign FROM campaigns WHERE within(last_seen)
                  ORDER BY messages DESC, campaign LIMIT {int(TOP)})
    SELECT campaign, local("at") AS time, max(messages) OVER (PARTITION BY campaign ORDER BY "at") AS messages
    FROM told_campaigns SEMI JOIN most USING (campaign) WHERE within("at") ORDER BY campaign, time
""").mark_line(interpolate="step-after", point=True).encode(
    x=alt.X("time:T", title="时间 time", axis=alt.Axis(format="%m-%d %H:%M")),
    y=alt.Y(
        "messages:Q",
        title="累计消息（条，对数） messages so far (log)",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(values=TENS, format=",d"),
    ),
    color=alt.Color("campaign:N", title="活动 campaign", scale=alt.Scale(scheme="category20")),
    tooltip=["campaign:N", "time:T", "messages:Q"],
).properties(width=640, height=300)

# %% [markdown]
# ## 家族 · Families
#
# 一个活动慢慢变形，几步之后就不再像原来，于是有了新的编号。这里把不含签名的掩码文本两两比较（三字组的重合度）：
# 很像的是一个变体，一步步相似的连成一个家族。`drift` 是家族中各变体平均分的跨度：从像通知到像诈骗，跨度就大。
#
# A campaign that drifts is, some steps later, a campaign of another name. Here the masked texts, without signature, are
# compared in pairs (share of common trigrams). What is very alike is one variant, what is alike step by step is one
# family. `drift` is the span of the mean scores of its variants: from a notice to a bait it is wide.

# %%
lake.make(r"""
    CREATE TEMP VIEW sent AS
    WITH masked AS (
        SELECT d.id, d.port, d.decided_at, d.verdict, d.messages, d.score,
               regexp_replace(regexp_replace(content, '【.*?】', '', 'g'), '\*+', '*', 'g') AS text
        FROM decisions AS d JOIN submissions AS s ON d.sender = s.port AND d.id = s.id AND s.round = 0
        WHERE d.source = 'submission' AND d.round = 0 AND within(d.decided_at)
    )
    -- Titles, hosts and ids differ from message to message.
    SELECT *, regexp_replace(regexp_replace(text, '[A-Za-z0-9*./:…-]+', '*', 'g'), '某+(先生|女士)', '某') AS skeleton
    FROM masked
""")
texts = lake.table(f"""
    SELECT skeleton, count(*) AS times FROM sent GROUP BY skeleton HAVING count(*) >= {int(LEAST)}
    ORDER BY min(decided_at), skeleton
""")
grams = [{text[n : n + 3] for n in range(len(text) - 2)} or {text} for text in texts.skeleton]


def together(least: float) -> list[int]:
    """For each text the place of the first one that it is alike to, step by step."""
    first = list(range(len(grams)))
    for a, b in combinations(range(len(grams)), 2):
        if first[a] != first[b] and len(grams[a] & grams[b]) >= least * len(grams[a] | grams[b]):
            old, new = max(first[a], first[b]), min(first[a], first[b])
            first = [new if n == old else n for n in first]
    return first


texts["variant"], texts["family"] = together(SAME), together(ALIKE)
members = lake.table("SELECT *, local(decided_at) AS time FROM sent ORDER BY decided_at, id").merge(
    texts, on="skeleton"
)
variants = members.groupby(["family", "variant"], as_index=False).agg(
    messages=("messages", "sum"),
    score=("score", "mean"),
    first_seen=("time", "min"),
    last_seen=("time", "max"),
    ports=("port", lambda ports: sorted(set(ports))),
    text=("text", "first"),
)
released = members[members.verdict == "release"].groupby("variant").messages.sum()
variants["released"] = variants.variant.map(released).fillna(0).astype(int)
families = (
    variants.groupby("family")
    .agg(
        variants=("variant", "size"),
        messages=("messages", "sum"),
        released=("released", "sum"),
        ports=("ports", lambda lists: len({port for ports in lists for port in ports})),
        drift=("score", lambda scores: round(scores.max() - scores.min(), 2)),
        first_seen=("first_seen", "min"),
        last_seen=("last_seen", "max"),
        begins=("text", "first"),
    )
    .query("variants > 1")
    .sort_values(["drift", "messages"], ascending=False)
    .reset_index()
)
families.head(TOP)

# %% [markdown]
# ## 变体对照 · Variants side by side
#
# 家族中的文本按首次出现的时间；与前一个变体不同的部分加了底色。
#
# The texts of the family in order of their first message; what differs from the one before is marked.

# %%
chosen = variants[variants.family.isin(families.family[FAMILY : FAMILY + 1])].sort_values("first_seen")
chosen = chosen.assign(name=[f"v{n}" for n in range(1, len(chosen) + 1)])


def marked(text: str, before: str) -> str:
    """The text as HTML; what `before` does not have is marked."""
    if not before:
        return escape(text)
    return "".join(
        escape(text[b1:b2]) if how == "equal" else f"<mark>{escape(text[b1:b2])}</mark>"
        for how, _, _, b1, b2 in SequenceMatcher(None, before, text, autojunk=False).get_opcodes()
    )


HTML(
    "<table><tr><th>变体<br>variant<th>首次<br>first<th>消息<br>messages<th>放行<br>released<th>均分<br>score"
    "<th>端口<br>ports<th style='text-align:left'>掩码文本 masked text</tr>"
    + "".join(
        f"<tr><td>{row.name}<td>{row.first_seen:%m-%d %H:%M}<td>{row.messages}<td>{row.released}"
        f"<td>{row.score:.2f}<td>{'<br>'.join(map(escape, row.ports))}"
        f"<td style='text-align:left;max-width:44em;white-space:normal'>{marked(row.text, before)}</tr>"
        for row, before in zip(chosen.itertuples(), ["", *chosen.text[:-1]], strict=True)
    )
    + "</table>"
)

# %% [markdown]
# ## 谁在发 · Who sent them
#
# 每个变体、每个端口、每小时的消息；颜色是判定。家族换端口，也换文本。
#
# Messages of each variant by port and hour; the colour is the verdict. The family changes ports as it changes texts.

# %%
shown = members.merge(chosen[["variant", "name"]], on="variant").assign(hour=lambda rows: rows.time.dt.floor("h"))
by_hour = shown.groupby(["name", "port", "hour", "verdict"], as_index=False).messages.sum()
alt.Chart(by_hour).mark_circle(opacity=0.85).encode(
    x=alt.X("hour:T", title="时间 time", axis=alt.Axis(format="%m-%d %H:%M")),
    y=alt.Y("port:N", title=None),
    row=alt.Row("name:N", title="变体 variant", header=alt.Header(labelAngle=0)),
    size=alt.Size("messages:Q", title="消息 messages", scale=alt.Scale(range=[30, 500])),
    color=BY_VERDICT,
    tooltip=["name:N", "port:N", "hour:T", "verdict:N", "messages:Q"],
).properties(width=560, height=70)

# %%
pd.crosstab(shown.port, shown.name, values=shown.messages, aggfunc="sum", margins=True).fillna(0).astype(int)
