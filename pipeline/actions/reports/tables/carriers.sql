/*
title: {zh: 各运营商的消息, en: Messages by carrier}
note:
  zh: 按接收号码的号段，不含携号转网。
  en: By the segment of the recipient's number; ported numbers are not looked up.
columns:
  carrier: {zh: 运营商, en: carrier, form: word}
after: messages_by
*/
SELECT value AS carrier, * EXCLUDE (what, value) FROM messages_by WHERE what = 'carrier' ORDER BY messages DESC, carrier
