/*
title: {zh: 人工审核, en: Review}
note:
  zh: 本期立案的任务。超时指判定晚于时限，或时限已过仍未判定。
  en: Cases opened in the period. A case is late when its verdict came after its time limit, or has not come by then.
columns:
  queue: {zh: 队列, en: queue}
  cases: {zh: 任务（件）, en: cases, form: number, bar: true}
  messages: {zh: 消息（条）, en: messages, form: number}
  released: {zh: 放行（件）, en: released, form: number}
  refused: {zh: 拒绝（件）, en: refused, form: number}
  closed: {zh: 到时关闭（件）, en: closed by the clock, form: number}
  open: {zh: 未判定（件）, en: without a verdict, form: number}
  late: {zh: 超时（件）, en: late, form: number}
  late_share: {zh: 超时率, en: share late, form: share}
  p50: {zh: 用时中位数（分）, en: "median time (min)", form: number}
  p90: {zh: 用时 P90（分）, en: "90th percentile (min)", form: number}
*/
WITH timed AS (
    SELECT *, date_diff('millisecond', opened_at, decided_at) / 60000 AS minutes
    FROM opened_case WHERE period = 'this'
)
SELECT queue, count(*) AS cases, sum(messages) AS messages,
       count(*) FILTER (actor = 'person' AND verdict = 'release') AS released,
       count(*) FILTER (actor = 'person' AND verdict <> 'release') AS refused,
       count(*) FILTER (actor = 'pipeline') AS closed, count(*) FILTER (verdict IS NULL) AS open,
       count(*) FILTER (late) AS late, share_of(count(*) FILTER (late), count(*)) AS late_share,
       round(quantile_cont(minutes, 0.5) FILTER (actor = 'person'), 1) AS p50,
       round(quantile_cont(minutes, 0.9) FILTER (actor = 'person'), 1) AS p90
FROM timed GROUP BY queue ORDER BY cases DESC, queue
