/*
title: {zh: 端口的限制、暂停与恢复, en: "Ports limited, suspended and reinstated"}
columns:
  acted_at: {zh: 时间, en: time, form: time}
  port: {zh: 端口, en: port}
  name: {zh: 名称, en: name}
  enterprise_name: {zh: 单位, en: enterprise}
  action: {zh: 处置, en: action, form: word}
  rule: {zh: 规则, en: rule}
  actor: {zh: 执行, en: by, form: word}
*/
SELECT acted_at, port, coalesce(name, '') AS name, coalesce(enterprise_name, '') AS enterprise_name, action, rule, actor
FROM port_action LEFT JOIN port USING (port) WHERE period = 'this' ORDER BY acted_at, port, action, rule, actor
