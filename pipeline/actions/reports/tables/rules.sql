/*
title: {zh: 规则与准确率, en: Rules and their precision}
note:
  zh: 命中按首轮判定计，提交按受理时间，话单按判定时间；准确率 = 该规则立案的任务中，人工拒绝 ÷ 人工判定。
  en: Matches of first rounds, of submissions at their acceptance, of records at their decision. Precision is the share of cases opened by the rule that a person refused, of those that a person decided.
columns:
  rule: {zh: 规则, en: rule}
  matched: {zh: 命中（次）, en: matches, form: number, bar: true}
  decided: {zh: 决定判定（次）, en: decided the verdict, form: number}
  cases: {zh: 立案（件）, en: cases opened, form: number}
  judged: {zh: 人工判定（件）, en: decided by a person, form: number}
  refused: {zh: 人工拒绝（件）, en: refused by a person, form: number}
  precision: {zh: 准确率, en: precision, form: share}
*/
WITH hits AS (
    SELECT rule, sum(matched) AS matched, sum(decided) AS decided FROM hit GROUP BY rule
), judged AS (
    SELECT rule, count(*) AS cases, count(*) FILTER (actor = 'person') AS judged,
           count(*) FILTER (actor = 'person' AND verdict <> 'release') AS refused
    FROM opened_case WHERE period = 'this' GROUP BY rule
)
SELECT rule, coalesce(matched, 0) AS matched, coalesce(decided, 0) AS decided, coalesce(cases, 0) AS cases,
       coalesce(judged, 0) AS judged, coalesce(refused, 0) AS refused, share_of(refused, judged) AS precision
FROM hits FULL JOIN judged USING (rule) ORDER BY matched DESC, rule
