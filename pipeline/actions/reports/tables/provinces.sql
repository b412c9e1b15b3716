/*
title: {zh: 各省的消息, en: Messages by province}
note:
  zh: 发送单位登记的省份。
  en: The province of the sending enterprise.
columns:
  province: {zh: 省份, en: province, form: word}
after: messages_by
*/
SELECT value AS province, * EXCLUDE (what, value) FROM messages_by WHERE what = 'province' ORDER BY messages DESC, province
