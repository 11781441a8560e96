-- How far messages come: sent, opened, clicked.
--
-- Each step counts messages, once each. A message that was clicked counts as opened, also where the mail program showed
-- no images and Iterable recorded no opening. Bots do not count.
WITH opened AS (
    SELECT messageId FROM email_open WHERE isBot IS NOT TRUE
    UNION
    SELECT messageId FROM email_click WHERE isBot IS NOT TRUE
), clicked AS (
    SELECT DISTINCT messageId FROM email_click WHERE isBot IS NOT TRUE
), counts AS (
    SELECT
        count(*) AS sent,
        count(*) FILTER (messageId IN (FROM opened)) AS opened,
        count(*) FILTER (messageId IN (FROM clicked)) AS clicked
    FROM email_send
), steps AS (
    SELECT 1 AS step, 'sent' AS name, sent AS messages, sent AS before, sent FROM counts
    UNION ALL
    SELECT 2, 'opened', opened, sent, sent FROM counts
    UNION ALL
    SELECT 3, 'clicked', clicked, opened, sent FROM counts
)
SELECT
    step,
    name,
    messages,
    round(messages / nullif(sent, 0), 4) AS of_sent,
    round(messages / nullif(before, 0), 4) AS of_step_before
FROM steps
ORDER BY step;
