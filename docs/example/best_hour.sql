-- The best hour to send: of the messages sent in each hour of the day (UTC), how many were opened within a day.
--
-- Messages of the last day are left out, since their day is not over. Bots do not count. For another time zone replace
-- 'UTC', for instance by 'America/New_York'.
WITH firsts AS (
    SELECT messageId, min(createdAt) AS opened_at FROM email_open WHERE NOT coalesce(isBot, FALSE) GROUP BY messageId
), latest AS (
    SELECT max(createdAt) AS moment FROM email_open
), hours AS (
    SELECT
        extract(hour FROM email_send.createdAt AT TIME ZONE 'UTC') AS hour,
        count(*) AS sends,
        count(CASE WHEN opened_at - email_send.createdAt < INTERVAL '1' DAY THEN 1 END) AS opened_within_a_day
    FROM email_send
    CROSS JOIN latest
    LEFT JOIN firsts ON firsts.messageId = email_send.messageId
    WHERE email_send.createdAt <= latest.moment - INTERVAL '1' DAY
    GROUP BY 1
)
SELECT hour, sends, opened_within_a_day, round(1.0 * opened_within_a_day / sends, 4) AS open_rate
FROM hours
ORDER BY open_rate DESC, hour;
