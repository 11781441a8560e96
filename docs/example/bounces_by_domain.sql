-- Bounce rate by the domain of the receiver's address, the largest domains first.
--
-- A message that bounced several times counts once; one with a hard bounce among them counts as hard. Messages to
-- people without an address are left out.
WITH bounces AS (
    SELECT messageId, max(CASE WHEN recipientState = 'HardBounce' THEN 1 ELSE 0 END) AS hard
    FROM email_bounce
    GROUP BY messageId
)
SELECT
    lower(split_part(email_send.email, '@', 2)) AS domain,
    count(*) AS sends,
    count(bounces.messageId) AS bounced,
    count(CASE WHEN bounces.hard = 1 THEN 1 END) AS hard_bounced,
    round(1.0 * count(bounces.messageId) / count(*), 4) AS bounce_rate
FROM email_send
LEFT JOIN bounces ON bounces.messageId = email_send.messageId
WHERE email_send.email IS NOT NULL
GROUP BY 1
ORDER BY sends DESC, domain;
