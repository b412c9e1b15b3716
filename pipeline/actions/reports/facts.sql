-- What happened in a period and the one before it, as tables. The variables `before`, `since` and `until` are the
-- beginnings of the period before, of the period, and of the one after. `day` is the UTC date on which the period before
-- begins; nothing of it lies in an earlier folder of the lake. `period` says which of the two a row belongs to.
-- Submissions are counted, not messages: a message gets a row of its own only where a recipient of its submission has a
-- verdict of its own.

CREATE TEMP MACRO period_of(moment) AS
    CASE WHEN moment >= getvariable('since') AND moment < getvariable('until') THEN 'this'
         WHEN moment >= getvariable('before') AND moment < getvariable('since') THEN 'before' END;

-- A share of 1, 4 digits; no share of nothing.
CREATE TEMP MACRO share_of(part, whole) AS round(part / nullif(whole, 0), 4);

-- Submissions accepted in either period, with the columns of the lake.
CREATE TEMP VIEW accepted AS
    SELECT * FROM submissions
    WHERE round = 0 AND dt >= getvariable('day')
      AND accepted_at >= getvariable('before') AND accepted_at < getvariable('until');

-- The same, with the registered port, kind, verdict and exceptions of the newest round. `parts` are SMS parts.
CREATE TEMP TABLE outcome AS
    WITH decided AS (
        SELECT partition, id, accepted_at, round, port, kind, verdict, exceptions FROM decisions
        WHERE source <> 'record' AND dt >= getvariable('day')
          AND accepted_at >= getvariable('before') AND accepted_at < getvariable('until')
    ), later AS (  -- few submissions have more than one round
        SELECT partition, id, accepted_at, max(round) AS newest FROM decided WHERE round > 0 GROUP BY ALL
    ), newest AS (
        SELECT decided.* FROM decided LEFT JOIN later USING (partition, id, accepted_at)
        WHERE round = coalesce(later.newest, 0)
    )
    SELECT period_of(accepted_at) AS period, date_trunc('hour', accepted_at) AS hour, partition, id, accepted_at,
           accepted.port AS sender, coalesce(newest.port, accepted.port) AS port, coalesce(kind, '') AS kind,
           coalesce(verdict, 'undecided') AS verdict, messages, coalesce(parts, 1) AS parts,
           CASE WHEN len(exceptions) > 0 THEN exceptions END AS exceptions
    FROM accepted LEFT JOIN newest USING (partition, id, accepted_at);

-- The messages of submissions with exceptions.
CREATE TEMP TABLE single AS
    WITH message AS (
        SELECT partition, id, accepted_at, outcome.* EXCLUDE (partition, id, accepted_at, messages, exceptions),
               unnest(recipients) AS recipient, unnest(carriers) AS carrier, unnest(regions) AS region
        FROM outcome JOIN accepted USING (partition, id, accepted_at) WHERE exceptions IS NOT NULL
    ), excepted AS (
        SELECT partition, id, accepted_at, x.recipient AS recipient, arg_min(x.verdict, n) AS own
        FROM (
            SELECT partition, id, accepted_at, unnest(exceptions) AS x, generate_subscripts(exceptions, 1) AS n
            FROM outcome WHERE exceptions IS NOT NULL
        )
        GROUP BY ALL
    )
    SELECT period, hour, port, kind, parts, coalesce(carrier, '') AS carrier, coalesce(region, '') AS region,
           coalesce(own, verdict) AS verdict, count(*) AS messages
    FROM message LEFT JOIN excepted USING (partition, id, accepted_at, recipient) GROUP BY ALL;

-- Messages accepted in either period, by hour, registered port, kind, and the verdict of the newest round.
CREATE TEMP TABLE traffic AS
    SELECT period, hour, port, kind, verdict, sum(messages)::BIGINT AS messages
    FROM (
        SELECT period, hour, port, kind, verdict, messages FROM outcome WHERE exceptions IS NULL
        UNION ALL SELECT period, hour, port, kind, verdict, messages FROM single
    )
    GROUP BY ALL;

-- Messages handed to carriers, of those accepted in either period, by registered port, channel and the recipient's
-- region. A message is delivered when the carrier has reported all its parts delivered.
CREATE TEMP TABLE sent AS
    WITH handed AS (  -- a message may be handed over again after a kill of its sender: it counts once
        SELECT id, sender, accepted_at, channel, coalesce(region, '') AS region, count(DISTINCT recipient) AS messages
        FROM (
            SELECT id, sender, accepted_at, regexp_extract(topic, '^outbound\.(.*)\.[a-z]+$', 1) AS channel,
                   unnest(recipients) AS recipient, unnest(regions) AS region
            FROM outbound
            WHERE dt >= getvariable('day')
              AND accepted_at >= getvariable('before') AND accepted_at < getvariable('until')
        )
        GROUP BY ALL
    ), told AS (
        SELECT regexp_replace(id, '/[0-9]+$', '') AS id, id AS message, port AS sender, channel,
               try_cast(regexp_extract(id, '/([0-9]+)$', 1) AS INTEGER) AS n,
               count(DISTINCT part) FILTER (status = 'DELIVRD') AS delivered
        FROM deliveries WHERE dt >= getvariable('day') GROUP BY ALL
    ), reported AS (
        SELECT told.id, told.sender, accepted_at, channel, coalesce(regions[n], '') AS region, count(*) AS reported,
               count(*) FILTER (delivered >= coalesce(parts, 1)) AS delivered
        FROM told JOIN accepted ON told.id = accepted.id AND told.sender = accepted.port GROUP BY ALL
    )
    SELECT period_of(accepted_at) AS period, coalesce(outcome.port, handed.sender) AS port, channel, region,
           sum(handed.messages)::BIGINT AS messages, sum(coalesce(reported.reported, 0))::BIGINT AS reported,
           sum(coalesce(reported.delivered, 0))::BIGINT AS delivered
    FROM handed
    LEFT JOIN reported USING (id, sender, accepted_at, channel, region)
    LEFT JOIN outcome USING (id, sender, accepted_at)
    GROUP BY ALL;

-- First rounds of submissions accepted in the period, and of records decided in it, by the rule of a reason. A record
-- may be of an earlier day whose report is written; at its decision it counts in one report.
CREATE TEMP TABLE hit AS
    SELECT reason.rule AS rule, count(*) AS matched, count(*) FILTER (first) AS decided
    FROM (
        SELECT unnest(reasons) AS reason, generate_subscripts(reasons, 1) = 1 AS first FROM decisions
        WHERE round = 0 AND dt >= getvariable('day')
          AND CASE WHEN source = 'record' THEN decided_at ELSE coalesce(accepted_at, decided_at) END
              BETWEEN getvariable('since') AND getvariable('until') - INTERVAL 1 MICROSECOND
    )
    GROUP BY ALL;

-- Records that the SMSC had carried, by the time of their decision.
CREATE TEMP TABLE record AS
    SELECT period_of(decided_at) AS period, verdict, count(*) AS records FROM decisions
    WHERE source = 'record' AND dt >= getvariable('day')
      AND decided_at >= getvariable('before') AND decided_at < getvariable('until')
    GROUP BY ALL;
