-- name: add
-- Add a pending message, unless the key exists.
INSERT INTO smsgate.message (
    key, destination, sender, text, wappush, fingerprint, state, queued, forget_text, added_at,
    due_at, not_after
) VALUES (
    :key, :destination, :sender, :text, :wappush, :fingerprint, :state, :queued, :forget_text,
    extract(epoch FROM clock_timestamp())::float8,
    extract(epoch FROM clock_timestamp())::float8,
    extract(epoch FROM clock_timestamp())::float8 + CAST(:not_after AS float8)
) ON CONFLICT (key) DO NOTHING;

-- name: by_key
-- The fingerprint and the message of a key.
SELECT fingerprint, id, key, destination, sender, text, wappush, state, message_id, reason, attempts, added_at,
    not_after, claimed_at, settled_at, lease_until, error
FROM smsgate.message WHERE key = :key;

-- name: by_id
-- One message.
SELECT id, key, destination, sender, text, wappush, state, message_id, reason, attempts, added_at,
    not_after, claimed_at, settled_at, lease_until, error
FROM smsgate.message WHERE id = :id;

-- name: by_state
-- The messages in a state, oldest first, beginning after an id.
SELECT id, key, destination, sender, text, wappush, state, message_id, reason, attempts, added_at,
    not_after, claimed_at, settled_at, lease_until, error
FROM smsgate.message WHERE state = :state AND id > :after ORDER BY id LIMIT :most;

-- name: expire
-- Skip a pending message whose time is up.
UPDATE smsgate.message SET state = :target, reason = :reason, error = :error,
    settled_at = extract(epoch FROM clock_timestamp())::float8
WHERE id = :id AND state = :source AND not_after <= extract(epoch FROM clock_timestamp())::float8
RETURNING id;

-- name: expire_due
-- Skip every pending message whose time is up.
UPDATE smsgate.message SET state = :target, reason = :reason, error = :error,
    settled_at = extract(epoch FROM clock_timestamp())::float8
WHERE state = 'pending' AND not_after <= extract(epoch FROM clock_timestamp())::float8
RETURNING id;

-- name: claim
-- Move a pending message to in flight. Not after a failover, which may have lost records.
UPDATE smsgate.message SET state = :target, token = :token, attempts = attempts + 1,
    claimed_at = extract(epoch FROM clock_timestamp())::float8,
    lease_until = extract(epoch FROM clock_timestamp())::float8 + CAST(:lease AS float8)
WHERE id = :id AND state = 'pending'
AND substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) = (
    SELECT value FROM smsgate.setting WHERE name = 'timeline'
);

-- name: claimed
-- The message that this token has claimed, and the seconds in which its first byte must leave.
SELECT id, token, destination, sender, text, wappush,
    least(lease_until, coalesce(not_after, lease_until))
    - extract(epoch FROM clock_timestamp())::float8,
    forget_text
FROM smsgate.message WHERE id = :id AND token = :token AND state = :state;

-- name: due
-- Pending messages that a worker may send now, the one that has been due longest first.
SELECT id FROM smsgate.message WHERE state = 'pending' AND queued = 1
AND due_at <= extract(epoch FROM clock_timestamp())::float8
ORDER BY due_at, id LIMIT :most;

-- name: settle
-- Record what became of a message, if nobody else has claimed it since. Each pause is longer.
UPDATE smsgate.message SET state = :target, message_id = :message_id, reason = :reason,
    error = :error, settled_at = extract(epoch FROM clock_timestamp())::float8,
    due_at = extract(epoch FROM clock_timestamp())::float8
    + least(CAST(:longest_pause AS float8), :first_pause * power(2, least(attempts - 1, 20)))
WHERE id = :id AND token = :token AND state = :source;

-- name: token
-- The token of the last claim.
SELECT token FROM smsgate.message WHERE id = :id;

-- name: overdue
-- Whether a lease has passed, or the time of a pending message is up.
SELECT 1 WHERE EXISTS (
    SELECT 1 FROM smsgate.message WHERE state = 'in flight'
    AND lease_until < extract(epoch FROM clock_timestamp())::float8
) OR EXISTS (
    SELECT 1 FROM smsgate.message WHERE state = 'pending'
    AND not_after <= extract(epoch FROM clock_timestamp())::float8
);

-- name: sweep
-- Move messages whose lease has passed to in doubt. One that is locked is swept later.
UPDATE smsgate.message SET state = :target, reason = :reason, error = :error,
    settled_at = extract(epoch FROM clock_timestamp())::float8
WHERE id IN (
    SELECT id FROM smsgate.message
    WHERE state = :source AND lease_until < extract(epoch FROM clock_timestamp())::float8
    FOR UPDATE SKIP LOCKED
) RETURNING id;

-- name: release
-- Return a claim with which nothing was sent.
UPDATE smsgate.message SET state = :target, token = NULL, attempts = attempts - 1
WHERE token = :token AND state = :source;

-- name: states
-- How many messages are in each state.
SELECT state, count(*) FROM smsgate.message GROUP BY state;

-- name: find_id
-- The message with an id of the gateway. Reads all messages, but is rarely used.
SELECT id FROM smsgate.message WHERE message_id = :message_id LIMIT 1;

-- name: resolve
-- Apply an operator's decision. The token goes, so that a late answer changes nothing.
UPDATE smsgate.message SET state = :target, token = NULL, reason = :reason, error = :error,
    message_id = coalesce(CAST(:message_id AS text), message_id), settled_at = extract(epoch FROM clock_timestamp())::float8,
    due_at = extract(epoch FROM clock_timestamp())::float8
WHERE id = :id AND state = :source;

-- name: add_decision
-- Record an operator's decision.
INSERT INTO smsgate.decision (message, at, who, event, note)
VALUES (:id, extract(epoch FROM clock_timestamp())::float8, :who, :event, :note);

-- name: decisions
-- The operators' decisions about a message, oldest first.
SELECT at, who, event, note FROM smsgate.decision WHERE message = :id ORDER BY id;

-- name: to_forget
-- Whether the text of a message is to be forgotten, and what its fingerprint is made of.
SELECT state, forget_text = 1 AND (text IS NOT NULL OR wappush IS NOT NULL),
    destination, sender, text, wappush
FROM smsgate.message WHERE id = :id;

-- name: forget
-- Delete the text of a message. Its fingerprint stays.
UPDATE smsgate.message SET text = NULL, wappush = NULL, fingerprint = :fingerprint WHERE id = :id;

-- name: purge
-- Delete messages that were settled long ago.
DELETE FROM smsgate.message
WHERE state = :state AND settled_at < extract(epoch FROM clock_timestamp())::float8 - CAST(:older_than AS float8)
RETURNING id;

-- name: set
-- Set a setting of the outbox.
INSERT INTO smsgate.setting (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: setting
-- A setting of the outbox.
SELECT value FROM smsgate.setting WHERE name = :name;

-- name: timeline
-- The timeline of the server: it changes when a standby takes over.
SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);

-- name: doubt_pending
-- After a failover, move pending messages to in doubt: the record of a send may be lost.
UPDATE smsgate.message SET state = :target, reason = :reason, error = :error,
    settled_at = extract(epoch FROM clock_timestamp())::float8
WHERE state = 'pending' RETURNING id;
