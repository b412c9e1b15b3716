/*
title: {zh: 概要, en: Summary}
note:
  zh: 消息按受理时间计入；判定为最近一轮的判定。变化为与上一周期相比。
  en: Messages count at their acceptance, with the verdict of their newest round. The change is against the period before.
columns:
  figure: {zh: 指标, en: figure, form: word}
  value: {zh: 本期, en: this period, form: number}
  before: {zh: 上期, en: period before, form: number}
  change: {zh: 变化, en: change, form: share}
*/
WITH counted AS (
    SELECT period, sum(messages) AS accepted, sum(released) AS released, sum(held) AS held, sum(reviewed) AS reviewed,
           sum(rejected) AS rejected, sum(blacklisted) AS blacklisted
    FROM verdicts GROUP BY period
), figure AS (
    SELECT period, unnest([
        {figure: 'accepted', value: accepted::DOUBLE}, {figure: 'released', value: released},
        {figure: 'held', value: held}, {figure: 'reviewed', value: reviewed},
        {figure: 'rejected', value: rejected}, {figure: 'blacklisted', value: blacklisted},
        {figure: 'refused_share', value: round(100 * (rejected + blacklisted) / accepted, 2)}
    ], recursive := true)
    FROM counted
    UNION ALL
    SELECT period, unnest([
        {figure: 'sent', value: sum(messages)::DOUBLE},
        {figure: 'arrived_share', value: round(100 * sum(delivered) / sum(messages), 2)}
    ], recursive := true)
    FROM sent GROUP BY period
    UNION ALL SELECT period, 'complaints', count(*) FROM complaint GROUP BY period
    UNION ALL
    SELECT period, 'per_million', round(1e6 * complaints / nullif(messages, 0), 2)
    FROM (SELECT period, sum(messages) AS messages FROM sent GROUP BY period) JOIN (SELECT period, count(*) AS complaints FROM complaint GROUP BY period) USING (period)
    UNION ALL SELECT period, 'cases', count(*) FROM opened_case GROUP BY period
    UNION ALL SELECT period, 'late_cases', count(*) FROM opened_case WHERE late GROUP BY period
    UNION ALL
    SELECT period, 'suspensions', count(*) FROM port_action WHERE action = 'suspend' GROUP BY period
), shown AS (
    SELECT unnest([
        'accepted', 'released', 'held', 'reviewed', 'rejected', 'blacklisted', 'refused_share', 'sent', 'arrived_share',
        'complaints', 'per_million', 'cases', 'late_cases', 'suspensions'
    ]) AS figure, unnest(range(14)) AS place
), wide AS (  -- nothing counted is 0; a rate of nothing is no rate
    SELECT place, figure, any_value(value) FILTER (period = 'this') AS value,
           any_value(value) FILTER (period = 'before') AS before
    FROM shown LEFT JOIN figure USING (figure) GROUP BY place, figure
), filled AS (
    SELECT place, figure, CASE WHEN figure IN ('refused_share', 'arrived_share', 'per_million') THEN value
                               ELSE coalesce(value, 0) END AS value,
           CASE WHEN figure IN ('refused_share', 'arrived_share', 'per_million') THEN before
                ELSE coalesce(before, 0) END AS before
    FROM wide
)
SELECT figure, value, before, share_of(value - before, before) AS change FROM filled ORDER BY place
