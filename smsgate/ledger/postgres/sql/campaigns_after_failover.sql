-- name: doubt_pending_requests
-- After a failover, settle pending requests of all campaigns: the record of a send may be lost.
UPDATE smsgate.request SET state = 'in doubt', settled_at = smsgate.now(), in_doubt = size,
    reason = :reason
WHERE state = 'pending' RETURNING campaign;

-- name: doubt_pending_recipients
-- After a failover, move pending recipients of all campaigns to in doubt.
UPDATE smsgate.recipient AS one SET state = :target, reason = :reason, request = gone.id
FROM smsgate.request AS gone
WHERE gone.state = 'in doubt' AND gone.reason = :reason AND one.campaign = gone.campaign
AND one.id BETWEEN gone.first AND gone.last AND one.state = 'pending' RETURNING one.id;

-- name: pause_all
-- After a failover, pause all campaigns that were running.
UPDATE smsgate.campaign SET state = 'paused', why = :why WHERE state = 'running';
