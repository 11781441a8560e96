-- What people unsubscribe from: channels, message types and lists, most first.
--
-- people counts each person once, by address or, without one, by user id. Iterable names the channels of an event in
-- channelIds and, at times, a single one in channelId.
WITH targets AS (
    SELECT
        'channel' AS kind,
        unnest(list_distinct(coalesce(CAST(channelIds AS BIGINT[]), []) || coalesce([channelId], []))) AS id,
        email_unsubscribe.*
    FROM email_unsubscribe
    UNION ALL
    SELECT 'message type', unnest(CAST(messageTypeIds AS BIGINT[])), email_unsubscribe.* FROM email_unsubscribe
    UNION ALL
    SELECT 'list', unnest(CAST(emailListIds AS BIGINT[])), email_unsubscribe.* FROM email_unsubscribe
), names AS (
    SELECT 'channel' AS kind, id, name FROM channels
    UNION ALL
    SELECT 'message type', id, name FROM message_types
    UNION ALL
    SELECT 'list', id, name FROM lists
)
SELECT
    targets.kind,
    targets.id,
    names.name,
    count(*) AS unsubscribes,
    count(DISTINCT coalesce(targets.email, targets.userId)) AS people,
    count(*) FILTER (targets.unsubSource = 'HardBounce') AS by_hard_bounce
FROM targets
LEFT JOIN names ON names.kind = targets.kind AND names.id = targets.id
WHERE targets.id IS NOT NULL
GROUP BY targets.kind, targets.id, names.name
ORDER BY unsubscribes DESC, targets.kind, targets.id;
