-- What people unsubscribe from: channels, message types and lists, most first.
--
-- people counts each person once, by address or, without one, by user id. Iterable names the channels of an event in
-- channelIds and, at times, a single one in channelId; one that stands in both counts once, as UNION sees to.
WITH targets AS (
    SELECT event_id, 'channel' AS kind, unnest(CAST(channelIds AS BIGINT[])) AS id FROM email_unsubscribe
    UNION
    SELECT event_id, 'channel', channelId FROM email_unsubscribe
    UNION
    SELECT event_id, 'message type', unnest(CAST(messageTypeIds AS BIGINT[])) FROM email_unsubscribe
    UNION
    SELECT event_id, 'list', unnest(CAST(emailListIds AS BIGINT[])) FROM email_unsubscribe
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
    count(DISTINCT coalesce(events.email, events.userId)) AS people,
    count(CASE WHEN events.unsubSource = 'HardBounce' THEN 1 END) AS by_hard_bounce
FROM targets
JOIN email_unsubscribe AS events ON events.event_id = targets.event_id
LEFT JOIN names ON names.kind = targets.kind AND names.id = targets.id
WHERE targets.id IS NOT NULL
GROUP BY targets.kind, targets.id, names.name
ORDER BY unsubscribes DESC, targets.kind, targets.id;
