/*
title: {zh: 各业务的消息, en: Messages by service}
columns:
  service: {zh: 业务, en: service, form: word}
after: messages_by
*/
SELECT value AS service, * EXCLUDE (what, value) FROM messages_by WHERE what = 'service' ORDER BY messages DESC, service
