/*
title: {zh: 各发送单位的拦截, en: Filtered messages by sending unit}
note:
  zh: 用于考核。规则拦截为拒绝与拉黑；审核拒绝为本期立案任务中由人工或到时关闭拒绝的消息，其中有受理于其他日子的，因此不计入占比。
  en: For their assessment. Rules refuse by reject and blacklist; a person, or the closing time, refuses messages of cases opened in the period. Some of those were accepted on other days, so the share leaves them out.
columns:
  enterprise: {zh: 单位编号, en: enterprise}
  name: {zh: 单位, en: name}
  province: {zh: 省份, en: province}
  ports: {zh: 端口（个）, en: ports, form: number}
  messages: {zh: 消息（条）, en: messages, form: number}
  by_rules: {zh: 规则拦截（条）, en: refused by rules, form: number, bar: true}
  by_review: {zh: 审核拒绝（条）, en: refused in review, form: number}
  share: {zh: 规则拦截占比, en: share refused by rules, form: share}
*/
WITH sent AS (
    SELECT port, sum(messages) AS messages, sum(rejected) + sum(blacklisted) AS by_rules
    FROM verdicts WHERE period = 'this' GROUP BY port
), judged AS (
    SELECT port, sum(messages) AS by_review FROM opened_case
    WHERE period = 'this' AND verdict NOT IN ('release') GROUP BY port
), either AS (
    SELECT port, coalesce(messages, 0) AS messages, coalesce(by_rules, 0) AS by_rules, coalesce(by_review, 0) AS by_review
    FROM sent FULL JOIN judged USING (port)
)
SELECT coalesce(enterprise, '') AS enterprise, coalesce(any_value(enterprise_name), '') AS name,
       coalesce(any_value(province), '') AS province, count(*) AS ports, sum(messages) AS messages,
       sum(by_rules) AS by_rules, sum(by_review) AS by_review,
       share_of(sum(by_rules), sum(messages)) AS share
FROM either LEFT JOIN port USING (port) GROUP BY enterprise
HAVING sum(by_rules) + sum(by_review) > 0
ORDER BY sum(by_rules) + sum(by_review) DESC, enterprise
