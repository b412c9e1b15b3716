-- Adds the messages accepted from `day_since` to `day_until` to the facts: a day at a time keeps the joins small.
-- `day` is the UTC date on which the day begins; nothing of it lies in an earlier folder of the lake.

CREATE OR REPLACE TEMP TABLE accepted AS
    SELECT partition, id, accepted_at, port AS sender, recipients, carriers, regions, coalesce(parts, 1) AS parts
    FROM submissions
    WHERE round = 0 AND dt >= getvariable('day')
      AND accepted_at >= getvariable('day_since') AND accepted_at < getvariable('day_until');

CREATE OR REPLACE TEMP TABLE newest AS
    WITH decided AS (
        SELECT partition, id, accepted_at, round, port, kind, verdict, exceptions FROM decisions
        WHERE source <> 'record' AND dt >= getvariable('day')
          AND accepted_at >= getvariable('day_since') AND accepted_at < getvariable('day_until')
    ), later AS (  -- few submissions have more than one round
        SELECT partition, id, accepted_at, max(round) AS newest FROM decided WHERE round > 0 GROUP BY ALL
    )
    SELECT decided.* FROM decided LEFT JOIN later USING (partition, id, accepted_at)
    WHERE round = coalesce(later.newest, 0);

-- An outcome is counted where a submission becomes its recipients, and few recipients have a verdict of their own.
CREATE OR REPLACE TEMP TABLE outcome AS
    WITH message AS (
        SELECT accepted_at, coalesce(port, sender) AS port, kind, parts, verdict, exceptions,
               unnest(recipients) AS recipient, unnest(carriers) AS carrier, unnest(regions) AS region
        FROM accepted LEFT JOIN newest USING (partition, id, accepted_at)
    )
    SELECT date_trunc('hour', accepted_at) AS hour, port, coalesce(kind, '') AS kind, coalesce(carrier, '') AS carrier,
           coalesce(region, '') AS region,
           coalesce(CASE WHEN len(exceptions) > 0
                         THEN list_filter(exceptions, lambda x: x.recipient = message.recipient)[1].verdict END,
                    verdict, 'undecided') AS verdict,
           count(*) AS messages, sum(parts) AS parts
    FROM message GROUP BY ALL;

INSERT INTO traffic
    SELECT period_of(hour), hour, port, kind, carrier, verdict, sum(messages), sum(parts) FROM outcome GROUP BY ALL;

INSERT INTO destination SELECT period_of(hour), region, verdict, sum(messages) FROM outcome GROUP BY ALL;

INSERT INTO sent
    WITH handed AS (  -- a message may be handed over again after a kill of its sender: it counts once
        SELECT id, sender, channel, coalesce(region, '') AS region, count(DISTINCT recipient) AS messages
        FROM (
            SELECT id, sender, regexp_extract(topic, '^outbound\.(.*)\.[a-z]+$', 1) AS channel,
                   unnest(recipients) AS recipient, unnest(regions) AS region
            FROM outbound
            WHERE dt >= getvariable('day')
              AND accepted_at >= getvariable('day_since') AND accepted_at < getvariable('day_until')
        )
        GROUP BY ALL
    ), told AS (
        SELECT regexp_replace(id, '/[0-9]+$', '') AS id, id AS message, port AS sender, channel,
               try_cast(regexp_extract(id, '/([0-9]+)$', 1) AS INTEGER) AS n,
               count(DISTINCT part) FILTER (status = 'DELIVRD') AS delivered
        FROM deliveries WHERE dt >= getvariable('day') GROUP BY ALL
    ), reported AS (
        SELECT told.id, told.sender, channel, coalesce(regions[n], '') AS region, count(*) AS reported,
               count(*) FILTER (delivered >= coalesce(parts, 1)) AS delivered
        FROM told JOIN accepted USING (id, sender) GROUP BY ALL
    )
    SELECT period_of(getvariable('day_since')), coalesce(newest.port, handed.sender), channel, region,
           sum(messages), sum(coalesce(reported, 0)), sum(coalesce(reported.delivered, 0))
    FROM handed
    LEFT JOIN reported USING (id, sender, channel, region)
    LEFT JOIN accepted USING (id, sender)
    LEFT JOIN newest ON newest.partition = accepted.partition AND newest.id = accepted.id
        AND newest.accepted_at = accepted.accepted_at
    GROUP BY ALL;

INSERT INTO hit
    SELECT reason.rule, count(*), count(*) FILTER (first)
    FROM (
        SELECT unnest(reasons) AS reason, generate_subscripts(reasons, 1) = 1 AS first FROM decisions
        WHERE round = 0 AND dt >= getvariable('day') AND period_of(decided_at) = 'this'
          AND decided_at >= getvariable('day_since') AND decided_at < getvariable('day_until')
    )
    GROUP BY ALL;

INSERT INTO record
    SELECT period_of(decided_at), verdict, count(*) FROM decisions
    WHERE source = 'record' AND dt >= getvariable('day')
      AND decided_at >= getvariable('day_since') AND decided_at < getvariable('day_until')
    GROUP BY ALL;
