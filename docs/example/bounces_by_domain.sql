-- Bounce rate by the domain of the receiver's address, the largest domains first.
--
-- A message that bounced several times counts once; one with a hard bounce among them counts as hard. Messages to
-- people without an address are left out.
WITH bounces AS (
    SELECT messageId, bool_or(recipientState = 'HardBounce') AS hard FROM email_bounce GROUP BY messageId
)
SELECT
    lower(split_part(email_send.email, '@', 2)) AS domain,
    count(*) AS sends,
    count(bounces.messageId) AS bounced,
    count(*) FILTER (bounces.hard) AS hard_bounced,
    round(count(bounces.messageId) / count(*), 4) AS bounce_rate
FROM email_send
LEFT JOIN bounces ON bounces.messageId = email_send.messageId
WHERE email_send.email IS NOT NULL
GROUP BY domain
ORDER BY sends DESC, domain;
