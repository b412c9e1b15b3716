# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7 写一条规则 · Write a rule, from the data to publication
#
# 从数据看到问题，写成规则，检查，用故事测试，回测，然后发布。这里不发布任何东西：最后一步是给人看的命令。
#
# See it in the data, write it as a rule, check it, test it with a story, replay it, publish it. Nothing is published
# here: the last step is commands for a person.

# %% tags=["parameters"]
SINCE = ""
UNTIL = ""
LEAST_SCORE = 0.5
REPLAY_HOURS = 48  # from the first message that the rule would have caught

# %%
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import altair as alt
import pandas as pd
from figures import BY_VERDICT, Lake, antispam

from pipeline.decision.configuration import default_policy
from pipeline.errors import AntispamError
from pipeline.rules.policies.policy import parse_policy

lake = Lake(SINCE, UNTIL)

# %% [markdown]
# ## 1 数据 · The data
#
# 通知类端口的文本，模型说是钓鱼，分数却不够高，于是放行。它们在哪些分数、多少、谁发的？
#
# Texts from ports for notices, called phishing by the model, with a score that was too low to ask a person: released.
# At which scores are they, how many, whose?

# %%
lake.chart("""
    SELECT floor(score * 20) / 20 AS bin, floor(score * 20) / 20 + 0.05 AS bin_end, verdict, count(*) AS decisions
    FROM decisions WHERE source = 'submission' AND round = 0 AND kind = 'notice' AND category = 'phishing'
      AND within(decided_at) GROUP BY ALL ORDER BY ALL
""").mark_bar().encode(
    x=alt.X("bin:Q", bin="binned", title="垃圾概率 P(spam)", scale=alt.Scale(domain=[0, 1])),
    x2="bin_end",
    y=alt.Y("decisions:Q", title="判定（件） decisions"),
    color=BY_VERDICT,
    tooltip=["bin:Q", "verdict:N", "decisions:Q"],
).properties(width=520, title="通知端口上的钓鱼类别 · phishing on ports for notices")

# %%
lake.table("""
    SELECT d.port, count(*) AS released, round(avg(d.score), 2) AS score,
           strftime(min(local(d.decided_at)), '%m-%d %H:%M') AS first_seen, any_value(s.content ORDER BY s.id) AS text
    FROM decisions AS d JOIN submissions AS s ON d.sender = s.port AND d.id = s.id AND s.round = 0
    WHERE d.source = 'submission' AND d.round = 0 AND d.kind = 'notice' AND d.category = 'phishing'
      AND d.verdict = 'release' AND d.score >= $least AND within(d.decided_at)
    GROUP BY d.port ORDER BY released DESC, d.port LIMIT 12
""", least=LEAST_SCORE)  # fmt: skip

# %% [markdown]
# ## 2 规则 · The rule
#
# 只写它要问的事：通知端口、没有登记的模板、钓鱼类别、过半的分数。送人工审核，不拒绝：分数单独不拒绝任何消息。
#
# It says only what it asks: a port for notices, no registered template, the category phishing, a score over one half.
# It asks a person and refuses nothing: no score refuses alone.

# %%
RULE = f"""\

  - id: bait-on-notice-port
    event: submission
    description:
      zh: 通知端口上的文本像钓鱼，垃圾概率 {{score}}
      en: A text from a port for notices looks like phishing; spam probability {{score}}
    when: kind == "notice" && !template_fits && category == "phishing" && score >= {LEAST_SCORE}
    verdict: review
    severity: 30
"""
POLICY = default_policy().rstrip() + "\n" + RULE
policy = parse_policy(POLICY, "my-policy.yaml")
print(f"{len(policy.rules)} rules, version {policy.version}")

# %% [markdown]
# 写错了，检查会指出在哪里。 A mistake is pointed at.

# %%
try:
    parse_policy(POLICY.replace("!template_fits && category", "!template_fit && category"), "my-policy.yaml")
except AntispamError as fault:
    print(fault)

# %% [markdown]
# ## 3 故事 · A story
#
# 规则命中什么、不命中什么，写成步骤；`policy test` 对照。分数写明，故事不随模型变化。
#
# What it matches and what it does not, as steps; `policy test` compares. Scores are stated, so the story does not change
# with the model.

# %%
STORY = """\
title: A bait from a port for notices asks a person, a notice does not
given:
  ports:
    - {code: "10690001", kind: notice, signatures: [雁达快递]}
steps:
  - at: "09:00:00"
    submit: {port: "10690001", recipient: "13800000001", content: "【雁达快递】您的包裹在运输中遗失，理赔款退回失败，请致电理赔专员登记。", score: 0.5, category: phishing}
    expect: {verdict: review, rule: bait-on-notice-port}
  - at: "09:00:01"
    submit: {port: "10690001", recipient: "13800000001", content: "【雁达快递】您的包裹在运输中延误，预计明天送达。", score: 0.49, category: phishing}
    expect: {verdict: release}
"""
with TemporaryDirectory() as folder:
    Path(folder, "my-policy.yaml").write_text(POLICY, encoding="utf-8")
    Path(folder, "story.yaml").write_text(STORY, encoding="utf-8")
    told, said = antispam("policy", "test", "--policy", Path(folder, "my-policy.yaml"), Path(folder, "story.yaml"))
print(told or said)

# %% [markdown]
# ## 4 回测 · The backtest
#
# 这条规则会多问多少？其中有多少是人已经拒绝过的、多少是放行过的？重放要读全文，只有数据目录的属主能运行。
#
# How many more would it ask about, and how many of them have people refused or released? A replay reads full texts, so
# only the owner of the data folder can run it.

# %%
caught = lake.table("""
    SELECT epoch_ms(min(decided_at)) AS first FROM decisions
    WHERE source = 'submission' AND round = 0 AND kind = 'notice' AND category = 'phishing' AND verdict = 'release'
      AND score >= $least AND within(decided_at)
""", least=LEAST_SCORE)["first"][0]  # fmt: skip
result = None
if not pd.isna(caught):
    with TemporaryDirectory() as folder:
        Path(folder, "my-policy.yaml").write_text(POLICY, encoding="utf-8")
        period = ("--since", str(int(caught)), "--until", str(int(caught) + REPLAY_HOURS * 3_600_000))
        told, said = antispam("backtest", "--policy", Path(folder, "my-policy.yaml"), *period)
    print(said)
    result = json.loads(told)["tested"][0] if told else None

# %% [markdown]
# 新被拦下的消息的样本，掩码文本。 Samples of what it newly stops, masked.

# %%
samples = [] if result is None else [one for one in result["samples"] if one["replayed_rule"] == "bait-on-notice-port"]
pd.DataFrame(samples, columns=["port", "live", "replayed", "messages", "content"]).head(12)

# %% [markdown]
# ## 5 发布 · Publication
#
# 先影子，再一部分端口，再由另一个人批准；每一步都可撤回。
#
# First in shadow, then for a share of the ports, then approved by another person; each step can be taken back.
#
# ```
# antispam policy draft my-policy.yaml --reason "baits from ports for notices"   # prints the version
# antispam policy submit VERSION          # checked again, with its stories
# antispam policy shadow VERSION          # evaluated beside the one in force; notebook 5 compares both
# antispam policy share VERSION 10        # decides for 10 % of the ports
# antispam policy approve VERSION         # another person
# antispam policy rollback                # if it was wrong
# ```
