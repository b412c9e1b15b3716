/*
title: {zh: 各小时的消息, en: Messages by hour}
columns:
  hour: {zh: 小时, en: hour, form: time}
after: messages_by
*/
SELECT value::TIMESTAMPTZ AS hour, * EXCLUDE (what, value) FROM messages_by WHERE what = 'hour' ORDER BY hour
