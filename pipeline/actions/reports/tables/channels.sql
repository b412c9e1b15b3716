/*
title: {zh: 通道成功率与到达率, en: Channels and arrival by region}
note:
  zh: 到达率 = 全部分段回执成功的消息 ÷ 交运营商的消息；成功率 = 其 ÷ 有回执的消息。归属地为接收号码前七位的省份。
  en: A message has arrived when the carrier reported all its parts delivered. Arrival is of the messages sent, success of those reported. The region is the province in which the recipient's number was given out.
columns:
  channel: {zh: 通道, en: channel}
  region: {zh: 归属地, en: region, form: word}
  messages: {zh: 交运营商（条）, en: messages sent, form: number, bar: true}
  reported: {zh: 有回执（条）, en: reported, form: number}
  delivered: {zh: 到达（条）, en: arrived, form: number}
  success: {zh: 成功率, en: success, form: share}
  arrival: {zh: 到达率, en: arrival, form: share}
*/
SELECT channel, region, sum(messages) AS messages, sum(reported) AS reported, sum(delivered) AS delivered,
       share_of(sum(delivered), sum(reported)) AS success, share_of(sum(delivered), sum(messages)) AS arrival
FROM sent WHERE period = 'this' GROUP BY ALL ORDER BY channel, messages DESC, region
