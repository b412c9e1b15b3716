/*
title: {zh: 被投诉端口与百万投诉率, en: Ports with complaints a million messages}
note:
  zh: 百万投诉率 = 投诉件数 ÷ 交运营商的消息 × 一百万；处置为本期内暂停或终止。
  en: Complaints divided by messages sent to carriers, times a million. Closed means suspended or terminated in the period.
columns:
  port: {zh: 端口, en: port}
  name: {zh: 名称, en: name}
  enterprise_name: {zh: 单位, en: enterprise}
  tier: {zh: 等级, en: tier, form: word}
  sent: {zh: 交运营商（条）, en: messages sent, form: number}
  complaints: {zh: 投诉（件）, en: complaints, form: number, bar: true}
  per_million: {zh: 百万投诉率, en: a million messages, form: number}
  closed: {zh: 处置, en: closed, form: word}
*/
WITH complained AS (
    SELECT port, count(*) AS complaints FROM complaint WHERE period = 'this' GROUP BY port
), gone AS (
    SELECT port, sum(messages) AS sent FROM sent WHERE period = 'this' GROUP BY port
), stopped AS (
    SELECT port, max_by(action, acted_at) AS closed FROM port_action
    WHERE period = 'this' AND action IN ('suspend', 'terminate') GROUP BY port
)
SELECT port, coalesce(name, '') AS name, coalesce(enterprise_name, '') AS enterprise_name, coalesce(tier, '') AS tier,
       coalesce(gone.sent, 0) AS sent, complaints, round(1e6 * complaints / nullif(gone.sent, 0), 2) AS per_million,
       coalesce(closed, '') AS closed
FROM complained LEFT JOIN gone USING (port) LEFT JOIN stopped USING (port) LEFT JOIN port USING (port)
ORDER BY complaints DESC, port
