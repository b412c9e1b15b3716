/*
title: {zh: 各归属地的消息, en: Messages by region}
note:
  zh: 接收号码归属的省份（号码前七位），不含携号转网后的变更。
  en: The province in which the recipient's number was given out (its first seven digits).
columns:
  region: {zh: 归属地, en: region, form: word}
after: messages_by
*/
SELECT value AS region, * EXCLUDE (what, value) FROM messages_by WHERE what = 'region' ORDER BY messages DESC, region
