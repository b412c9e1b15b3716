/*
title: {zh: 各日的消息, en: Messages by day}
columns:
  day: {zh: 日期, en: day}
after: messages_by
*/
SELECT value AS day, * EXCLUDE (what, value) FROM messages_by WHERE what = 'day' ORDER BY day
