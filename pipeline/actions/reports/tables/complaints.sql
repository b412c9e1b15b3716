/*
title: {zh: 投诉来源与办理, en: Complaints by source and how they were handled}
note:
  zh: 本期收到的投诉，包括经人工确认与该端口任何消息无关、在其他表中不计的投诉。办理率 = 已答复 ÷ 投诉；逾期指答复晚于期限，或期限在本期内已过仍未答复。
  en: Complaints made in the period, with those that a person settled as about no message of the port, which no other table counts. The handling rate is the share answered. Overdue means answered after the due time, or not by then if it lies in the period.
columns:
  source: {zh: 来源, en: source}
  complaints: {zh: 投诉（件）, en: complaints, form: number, bar: true}
  ports: {zh: 涉及端口（个）, en: senders, form: number}
  matched: {zh: 匹配到消息（件）, en: matched to a message, form: number}
  doubtful: {zh: 存疑（件）, en: doubtful, form: number}
  answered: {zh: 已答复（件）, en: answered, form: number}
  handled: {zh: 办理率, en: handling rate, form: share}
  overdue: {zh: 逾期（件）, en: overdue, form: number}
  before: {zh: 上期（件）, en: period before, form: number}
  change: {zh: 变化, en: change, form: share}
*/
WITH counted AS (
    SELECT source, count(*) FILTER (period = 'this') AS complaints,
           count(DISTINCT port) FILTER (period = 'this') AS ports,
           count(*) FILTER (period = 'this' AND found = 'matched') AS matched,
           count(*) FILTER (period = 'this' AND found = 'doubtful') AS doubtful,
           count(*) FILTER (period = 'this' AND answered_at IS NOT NULL) AS answered,
           count(*) FILTER (period = 'this' AND coalesce(answered_at, getvariable('until')) > due_at) AS overdue,
           count(*) FILTER (period = 'before') AS before
    FROM received_complaint GROUP BY source
)
SELECT source, complaints, ports, matched, doubtful, answered, share_of(answered, complaints) AS handled, overdue,
       before, share_of(complaints - before, before) AS change
FROM counted ORDER BY complaints DESC, source
