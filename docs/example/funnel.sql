-- How far messages come: sent, opened, clicked.
--
-- Each step counts messages, once each. A message that was clicked counts as opened, also where the mail program showed
-- no images and Iterable recorded no opening. Bots do not count.
WITH opened AS (
    SELECT messageId FROM email_open WHERE NOT coalesce(isBot, FALSE)
    UNION
    SELECT messageId FROM email_click WHERE NOT coalesce(isBot, FALSE)
), clicked AS (
    SELECT DISTINCT messageId FROM email_click WHERE NOT coalesce(isBot, FALSE)
), counts AS (
    SELECT
        count(*) AS sent,
        count(CASE WHEN messageId IN (SELECT messageId FROM opened) THEN 1 END) AS opened,
        count(CASE WHEN messageId IN (SELECT messageId FROM clicked) THEN 1 END) AS clicked
    FROM email_send
), steps AS (
    SELECT 1 AS step, 'sent' AS name, sent AS messages, sent AS step_before, sent FROM counts
    UNION ALL
    SELECT 2, 'opened', opened, sent, sent FROM counts
    UNION ALL
    SELECT 3, 'clicked', clicked, opened, sent FROM counts
)
SELECT
    step,
    name,
    messages,
    round(1.0 * messages / nullif(sent, 0), 4) AS of_sent,
    round(1.0 * messages / nullif(step_before, 0), 4) AS of_step_before
FROM steps
ORDER BY step;
