/*
title: {zh: 各判定的消息, en: Messages by verdict}
columns:
  verdict: {zh: 判定, en: verdict, form: word}
  messages: {zh: 消息（条）, en: messages, form: number}
  share: {zh: 占比, en: share, form: share, bar: true}
  before: {zh: 上期（条）, en: period before, form: number}
  change: {zh: 变化, en: change, form: share}
*/
WITH counted AS (
    SELECT verdict, coalesce(sum(messages) FILTER (period = 'this'), 0) AS messages,
           coalesce(sum(messages) FILTER (period = 'before'), 0) AS before
    FROM traffic GROUP BY verdict
)
SELECT verdict, messages, share_of(messages, sum(messages) OVER ()) AS share, before,
       share_of(messages - before, before) AS change
FROM counted
ORDER BY list_position(['release', 'hold', 'review', 'reject', 'blacklist', 'undecided'], verdict)
