-- What the tables of a report read. The variables `before`, `since` and `until` are the beginnings of the period before,
-- of the period, and of the one after. `now_before` says which of the two a row belongs to.
-- port, registered_case, registered_action, registered_complaint and black (senders on the black list) come from the
-- operational database.

CREATE TEMP MACRO period_of(moment) AS
    CASE WHEN moment >= getvariable('since') AND moment < getvariable('until') THEN 'this'
         WHEN moment >= getvariable('before') AND moment < getvariable('since') THEN 'before' END;

-- A share of 1, 4 digits; no share of nothing.
CREATE TEMP MACRO share_of(part, whole) AS round(part / nullif(whole, 0), 4);

-- Messages accepted in either period, by hour, registered port, kind, carrier of the number's segment, and the verdict
-- of the newest round. `parts` are SMS parts.
CREATE TEMP TABLE traffic (
    period VARCHAR, hour TIMESTAMPTZ, port VARCHAR, kind VARCHAR, carrier VARCHAR, verdict VARCHAR,
    messages BIGINT, parts BIGINT
);

-- The same messages by the region in which the recipient's number was given out.
CREATE TEMP TABLE destination (period VARCHAR, region VARCHAR, verdict VARCHAR, messages BIGINT);

-- Messages handed to carriers, of those accepted in either period, by registered port, channel and the recipient's
-- region. A message is delivered when the carrier has reported all its parts delivered.
CREATE TEMP TABLE sent (
    period VARCHAR, port VARCHAR, channel VARCHAR, region VARCHAR, messages BIGINT, reported BIGINT, delivered BIGINT
);

-- First rounds of submissions and records decided in the period, by the rule of a reason.
CREATE TEMP TABLE hit (rule VARCHAR, matched BIGINT, decided BIGINT);

-- Records that the SMSC had carried, by the time of their decision.
CREATE TEMP TABLE record (period VARCHAR, verdict VARCHAR, records BIGINT);

CREATE TEMP VIEW opened_case AS SELECT *, period_of(opened_at) AS period FROM registered_case WHERE period IS NOT NULL;
CREATE TEMP VIEW port_action AS SELECT *, period_of(acted_at) AS period FROM registered_action WHERE period IS NOT NULL;
CREATE TEMP VIEW received_complaint AS
    SELECT *, period_of(complained_at) AS period FROM registered_complaint WHERE period IS NOT NULL;
-- Without those that are about no message of the port, as a person said.
CREATE TEMP VIEW complaint AS FROM received_complaint WHERE counts;

-- The traffic with a column for each verdict.
CREATE TEMP VIEW verdicts AS
    SELECT period, port, messages,
           CASE WHEN verdict = 'release' THEN messages ELSE 0 END AS released,
           CASE WHEN verdict = 'hold' THEN messages ELSE 0 END AS held,
           CASE WHEN verdict = 'review' THEN messages ELSE 0 END AS reviewed,
           CASE WHEN verdict = 'reject' THEN messages ELSE 0 END AS rejected,
           CASE WHEN verdict = 'blacklist' THEN messages ELSE 0 END AS blacklisted
    FROM traffic;

-- Messages of the period by the values of one column (`what`), with a column for each verdict and the share refused.
CREATE TEMP VIEW messages_by AS
    WITH valued AS (
        SELECT 'hour' AS what, hour::VARCHAR AS value, verdict, messages FROM traffic WHERE period = 'this'
        UNION ALL
        SELECT 'day', strftime(timezone(getvariable('zone'), hour), '%Y-%m-%d'), verdict, messages
        FROM traffic WHERE period = 'this'
        UNION ALL SELECT 'service', kind, verdict, messages FROM traffic WHERE period = 'this'
        UNION ALL SELECT 'carrier', carrier, verdict, messages FROM traffic WHERE period = 'this'
        UNION ALL
        SELECT 'province', coalesce(province, ''), verdict, messages
        FROM traffic LEFT JOIN port USING (port) WHERE period = 'this'
        UNION ALL SELECT 'region', region, verdict, messages FROM destination WHERE period = 'this'
    ), counted AS (
        SELECT what, value, sum(messages) AS messages,
               coalesce(sum(messages) FILTER (verdict = 'release'), 0) AS released,
               coalesce(sum(messages) FILTER (verdict = 'hold'), 0) AS held,
               coalesce(sum(messages) FILTER (verdict = 'review'), 0) AS reviewed,
               coalesce(sum(messages) FILTER (verdict = 'reject'), 0) AS rejected,
               coalesce(sum(messages) FILTER (verdict = 'blacklist'), 0) AS blacklisted,
               coalesce(sum(messages) FILTER (verdict = 'undecided'), 0) AS undecided
        FROM valued GROUP BY what, value
    )
    SELECT *, share_of(rejected + blacklisted, messages) AS refused FROM counted;
