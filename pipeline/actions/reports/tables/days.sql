/*
title: {zh: 各日的消息, en: Messages by day}
columns:
  day: {zh: 日期, en: day}
  messages: {zh: 消息（条）, en: messages, form: number, bar: true}
  released: {zh: 放行, en: released, form: number}
  held: {zh: 暂缓, en: held, form: number}
  reviewed: {zh: 审核, en: in review, form: number}
  rejected: {zh: 拒绝, en: rejected, form: number}
  blacklisted: {zh: 拉黑, en: blacklisted, form: number}
  undecided: {zh: 未判定, en: undecided, form: number}
  refused: {zh: 拦截率, en: refused, form: share}
*/
SELECT strftime(timezone(getvariable('zone'), hour), '%Y-%m-%d') AS day, sum(messages) AS messages, sum(released) AS released, sum(held) AS held,
       sum(reviewed) AS reviewed, sum(rejected) AS rejected, sum(blacklisted) AS blacklisted,
       sum(undecided) AS undecided, share_of(sum(rejected) + sum(blacklisted), sum(messages)) AS refused
FROM verdicts WHERE period = 'this' GROUP BY ALL ORDER BY day
