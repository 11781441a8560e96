-- Opens and clicks by campaign, best first.
--
-- opens and clicks count every one of them; opened and clicked count the messages with at least one, and the rates
-- are these by messages sent. What Iterable takes for a bot's doing is left out. An open of a message whose sending
-- lies before the start date of the copy is left out as well: there is no sending to compare it with.
WITH opens AS (
    SELECT messageId, count(*) AS opens FROM email_open WHERE NOT coalesce(isBot, FALSE) GROUP BY messageId
), clicks AS (
    SELECT messageId, count(*) AS clicks FROM email_click WHERE NOT coalesce(isBot, FALSE) GROUP BY messageId
)
SELECT
    campaigns.id AS campaign_id,
    campaigns.name AS campaign,
    count(*) AS sends,
    CAST(coalesce(sum(opens.opens), 0) AS BIGINT) AS opens,
    count(opens.messageId) AS opened,
    CAST(coalesce(sum(clicks.clicks), 0) AS BIGINT) AS clicks,
    count(clicks.messageId) AS clicked,
    round(1.0 * count(opens.messageId) / count(*), 4) AS open_rate,
    round(1.0 * count(clicks.messageId) / count(*), 4) AS click_rate
FROM email_send
JOIN campaigns ON campaigns.id = email_send.campaignId
LEFT JOIN opens ON opens.messageId = email_send.messageId
LEFT JOIN clicks ON clicks.messageId = email_send.messageId
GROUP BY campaigns.id, campaigns.name
ORDER BY open_rate DESC, campaign_id;
