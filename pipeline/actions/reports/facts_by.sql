-- What the tables of a report read beside the facts. port, registered_case, registered_action, registered_complaint and
-- black (senders on the black list) come from the operational database.

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

-- Messages of the period by the carrier of the number's segment. `parts` are SMS parts. Only tables that ask for
-- carriers or regions read the lists of recipients.
CREATE TEMP VIEW carried AS
    WITH each AS (
        SELECT outcome.port, kind, verdict, outcome.parts,
               unnest(coalesce(carriers, list_resize([]::VARCHAR[], accepted.messages, ''))) AS carrier
        FROM accepted JOIN outcome USING (partition, id, accepted_at) WHERE period = 'this' AND exceptions IS NULL
    ), counted AS (
        SELECT port, kind, carrier, verdict, parts, count(*) AS messages FROM each GROUP BY ALL
        UNION ALL
        SELECT port, kind, carrier, verdict, parts, messages FROM single WHERE period = 'this'
    )
    SELECT port, kind, carrier, verdict, sum(messages) AS messages, sum(messages * parts) AS parts
    FROM counted GROUP BY ALL;

-- Messages of the period by the region in which the recipient's number was given out.
CREATE TEMP VIEW destined AS
    WITH each AS (
        SELECT verdict, unnest(coalesce(regions, list_resize([]::VARCHAR[], accepted.messages, ''))) AS region
        FROM accepted JOIN outcome USING (partition, id, accepted_at) WHERE period = 'this' AND exceptions IS NULL
    ), counted AS (
        SELECT region, verdict, count(*) AS messages FROM each GROUP BY ALL
        UNION ALL SELECT region, verdict, messages FROM single WHERE period = 'this'
    )
    SELECT region, verdict, sum(messages) AS messages FROM counted GROUP BY ALL;

-- Messages of the period by the values of one column (`what`), with a column for each verdict and the share refused.
CREATE TEMP VIEW messages_by AS
    WITH valued AS (
        SELECT 'hour' AS what, hour::VARCHAR AS value, verdict, messages FROM traffic WHERE period = 'this'
        UNION ALL
        SELECT 'day', strftime(timezone(getvariable('zone'), hour), '%Y-%m-%d'), verdict, messages
        FROM traffic WHERE period = 'this'
        UNION ALL SELECT 'service', kind, verdict, messages FROM traffic WHERE period = 'this'
        UNION ALL SELECT 'carrier', carrier, verdict, messages FROM carried
        UNION ALL
        SELECT 'province', coalesce(province, ''), verdict, messages
        FROM traffic LEFT JOIN port USING (port) WHERE period = 'this'
        UNION ALL SELECT 'region', region, verdict, messages FROM destined
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
