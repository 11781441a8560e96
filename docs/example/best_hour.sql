-- The best hour to send: of the messages sent in each hour of the day (UTC), how many were opened within a day.
--
-- Messages of the last day are left out, since their day is not over. Bots do not count. For another time zone replace
-- 'UTC', for instance by 'America/New_York'.
WITH firsts AS (
    SELECT messageId, min(createdAt) AS opened_at FROM email_open WHERE isBot IS NOT TRUE GROUP BY messageId
), latest AS (
    SELECT max(createdAt) AS moment FROM email_open
)
SELECT
    extract('hour' FROM email_send.createdAt AT TIME ZONE 'UTC') AS hour,
    count(*) AS sends,
    count(*) FILTER (opened_at - email_send.createdAt < INTERVAL 1 DAY) AS opened_within_a_day,
    round(count(*) FILTER (opened_at - email_send.createdAt < INTERVAL 1 DAY) / count(*), 4) AS open_rate
FROM email_send
CROSS JOIN latest
LEFT JOIN firsts ON firsts.messageId = email_send.messageId
WHERE email_send.createdAt <= latest.moment - INTERVAL 1 DAY
GROUP BY hour
ORDER BY open_rate DESC, hour;
