-- name: doubt_pending_recipients
-- After a failover, move pending recipients of all campaigns to in doubt: the record of a send may
-- be lost. The ids are listed one by one, since a join by ranges would compare each recipient with
-- each request.
WITH gone AS (
    UPDATE smsgate.request SET state = 'in doubt', settled_at = smsgate.now(), in_doubt = size,
        reason = :reason
    WHERE state = 'pending' RETURNING campaign, id, first, last
)
UPDATE smsgate.recipient AS one SET state = :target, reason = :reason, request = gone.id
FROM gone CROSS JOIN LATERAL generate_series(gone.first, gone.last) AS listed (id)
WHERE one.campaign = gone.campaign AND one.id = listed.id
AND one.state = 'pending' RETURNING one.id;

-- name: pause_all
-- After a failover, pause all campaigns that were running.
UPDATE smsgate.campaign SET state = 'paused', why = :why WHERE state = 'running';
