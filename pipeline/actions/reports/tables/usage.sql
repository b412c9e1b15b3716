/*
title: {zh: 用量, en: Usage}
note:
  zh: 受理于本期的消息，按最近一轮判定；分段为短信计费条数（UCS-2 70/67 字，ASCII 159/153 字符），不含运营商插入的签名。
  en: Messages accepted in the period, by the verdict of their newest round. Parts are SMS (70 or 67 characters of UCS-2, 159 or 153 of ASCII), without a signature that the carrier inserts.
columns:
  enterprise: {zh: 单位编号, en: enterprise}
  enterprise_name: {zh: 单位, en: enterprise's name}
  port: {zh: 端口, en: port}
  port_name: {zh: 端口名称, en: port's name}
  service: {zh: 业务, en: service, form: word}
  carrier: {zh: 运营商, en: carrier, form: word}
  verdict: {zh: 判定, en: verdict, form: word}
  messages: {zh: 消息（条）, en: messages, form: number}
  parts: {zh: 分段（条）, en: SMS parts, form: number}
*/
SELECT coalesce(enterprise, '') AS enterprise, coalesce(enterprise_name, '') AS enterprise_name, port,
       coalesce(name, '') AS port_name, kind AS service, carrier, verdict, sum(messages) AS messages,
       sum(parts) AS parts
FROM carried LEFT JOIN port USING (port) GROUP BY ALL
ORDER BY enterprise, port, service, carrier, verdict
