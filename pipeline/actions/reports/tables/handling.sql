/*
title: {zh: 被投诉号码的处置, en: What became of those complained about}
note:
  zh: 与 12321 公布口径一致：端口与点对点号码分别统计。端口处置为本期内暂停或终止；号码处置为投诉后列入黑名单。
  en: As 12321 publishes it, ports and persons' numbers apart. A port is stopped when it was suspended or terminated in the period, a number when it is on the black list.
columns:
  accused: {zh: 对象, en: accused, form: word}
  senders: {zh: 号码（个）, en: senders, form: number}
  complaints: {zh: 投诉（件）, en: complaints, form: number, bar: true}
  per_sender: {zh: 件/号码, en: complaints a sender, form: number}
  stopped: {zh: 已处置（个）, en: stopped, form: number}
  rate: {zh: 处置率, en: share stopped, form: share}
*/
WITH sender AS (
    SELECT complaint.port, any_value(port.port) IS NOT NULL AS is_port, count(*) AS complaints
    FROM complaint LEFT JOIN port USING (port) WHERE period = 'this' GROUP BY complaint.port
), told AS (
    SELECT CASE WHEN is_port THEN 'port' ELSE 'number' END AS accused, complaints,
           port IN (SELECT port FROM port_action WHERE period = 'this' AND action IN ('suspend', 'terminate'))
           OR port IN (FROM black) AS stopped
    FROM sender
)
SELECT accused, count(*) AS senders, sum(complaints) AS complaints, round(sum(complaints) / count(*), 2) AS per_sender,
       count(*) FILTER (stopped) AS stopped, share_of(count(*) FILTER (stopped), count(*)) AS rate
FROM told GROUP BY accused ORDER BY accused DESC
