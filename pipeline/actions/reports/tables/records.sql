/*
title: {zh: 话单（点对点）判定, en: Records of the SMSC by verdict}
note:
  zh: 按判定时间计入。话单已由短信中心发出，判定不能拦截。
  en: At the time of their decision. The SMSC had carried them; a verdict does not stop them.
columns:
  verdict: {zh: 判定, en: verdict, form: word}
  records: {zh: 话单（条）, en: records, form: number}
  share: {zh: 占比, en: share, form: share, bar: true}
*/
SELECT verdict, sum(records) AS records, share_of(sum(records), sum(sum(records)) OVER ()) AS share
FROM record WHERE period = 'this' GROUP BY verdict
ORDER BY list_position(['release', 'hold', 'review', 'reject', 'blacklist'], verdict)
