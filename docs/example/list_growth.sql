-- How the lists grow: subscribed less unsubscribed by day (UTC), and all of it so far.
--
-- An event that concerns several lists counts for each of them. Days without either are left out. For a single list
-- add `WHERE list_id = ...` to the last SELECT.
WITH changes AS (
    SELECT createdAt, 1 AS change, unnest(CAST(emailListIds AS BIGINT[])) AS list_id FROM email_subscribe
    UNION ALL
    SELECT createdAt, -1 AS change, unnest(CAST(emailListIds AS BIGINT[])) AS list_id FROM email_unsubscribe
)
SELECT
    CAST(createdAt AT TIME ZONE 'UTC' AS DATE) AS day,
    count(CASE WHEN change = 1 THEN 1 END) AS subscribed,
    count(CASE WHEN change = -1 THEN 1 END) AS unsubscribed,
    CAST(sum(change) AS BIGINT) AS net,
    CAST(sum(sum(change)) OVER (ORDER BY CAST(createdAt AT TIME ZONE 'UTC' AS DATE)) AS BIGINT) AS net_so_far
FROM changes
GROUP BY CAST(createdAt AT TIME ZONE 'UTC' AS DATE)
ORDER BY day;
