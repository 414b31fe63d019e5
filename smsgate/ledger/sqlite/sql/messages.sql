-- name: add
-- Add a pending message, unless the key exists.
INSERT INTO smsgate_message (
    key, destination, sender, text, wappush, fingerprint, state, queued, forget_text, added_at,
    due_at, not_after
) VALUES (
    :key, :destination, :sender, :text, :wappush, :fingerprint, :state, :queued, :forget_text,
    (julianday('now') - 2440587.5) * 86400.0,
    (julianday('now') - 2440587.5) * 86400.0,
    (julianday('now') - 2440587.5) * 86400.0 + :not_after
) ON CONFLICT (key) DO NOTHING;

-- name: by_key
-- The fingerprint and the message of a key.
SELECT fingerprint, id, key, destination, sender, text, wappush, state, message_id, reason, attempts, added_at,
    not_after, claimed_at, settled_at, lease_until, error
FROM smsgate_message WHERE key = :key;

-- name: by_id
-- One message.
SELECT id, key, destination, sender, text, wappush, state, message_id, reason, attempts, added_at,
    not_after, claimed_at, settled_at, lease_until, error
FROM smsgate_message WHERE id = :id;

-- name: by_state
-- The messages in a state, oldest first, beginning after an id.
SELECT id, key, destination, sender, text, wappush, state, message_id, reason, attempts, added_at,
    not_after, claimed_at, settled_at, lease_until, error
FROM smsgate_message WHERE state = :state AND id > :after ORDER BY id LIMIT :most;

-- name: expire
-- Skip a pending message whose time is up.
UPDATE smsgate_message SET state = :target, reason = :reason, error = :error,
    settled_at = (julianday('now') - 2440587.5) * 86400.0
WHERE id = :id AND state = :source AND not_after <= (julianday('now') - 2440587.5) * 86400.0
RETURNING id;

-- name: expire_due
-- Skip every pending message whose time is up.
UPDATE smsgate_message SET state = :target, reason = :reason, error = :error,
    settled_at = (julianday('now') - 2440587.5) * 86400.0
WHERE state = 'pending' AND not_after <= (julianday('now') - 2440587.5) * 86400.0
RETURNING id;

-- name: claim
-- Move a pending message to in flight.
UPDATE smsgate_message SET state = :target, token = :token, attempts = attempts + 1,
    claimed_at = (julianday('now') - 2440587.5) * 86400.0,
    lease_until = (julianday('now') - 2440587.5) * 86400.0 + :lease
WHERE id = :id AND state = 'pending';

-- name: claimed
-- The message that this token has claimed, and the seconds in which its first byte must leave.
SELECT id, token, destination, sender, text, wappush,
    min(lease_until, coalesce(not_after, lease_until))
    - (julianday('now') - 2440587.5) * 86400.0,
    forget_text
FROM smsgate_message WHERE id = :id AND token = :token AND state = :state;

-- name: due
-- Pending messages that a worker may send now, the one that has been due longest first.
SELECT id FROM smsgate_message WHERE state = 'pending' AND queued = 1
AND due_at <= (julianday('now') - 2440587.5) * 86400.0
ORDER BY due_at, id LIMIT :most;

-- name: settle
-- Record what became of a message, if nobody else has claimed it since. Each pause is longer.
UPDATE smsgate_message SET state = :target, message_id = :message_id, reason = :reason,
    error = :error, settled_at = (julianday('now') - 2440587.5) * 86400.0,
    due_at = (julianday('now') - 2440587.5) * 86400.0
    + min(:longest_pause, :first_pause * (1 << min(attempts - 1, 20)))
WHERE id = :id AND token = :token AND state = :source;

-- name: token
-- The token of the last claim.
SELECT token FROM smsgate_message WHERE id = :id;

-- name: overdue
-- Whether a lease has passed, or the time of a pending message is up.
SELECT 1 WHERE EXISTS (
    SELECT 1 FROM smsgate_message WHERE state = 'in flight'
    AND lease_until < (julianday('now') - 2440587.5) * 86400.0
) OR EXISTS (
    SELECT 1 FROM smsgate_message WHERE state = 'pending'
    AND not_after <= (julianday('now') - 2440587.5) * 86400.0
);

-- name: sweep
-- Move messages whose lease has passed to in doubt.
UPDATE smsgate_message SET state = :target, reason = :reason, error = :error,
    settled_at = (julianday('now') - 2440587.5) * 86400.0
WHERE state = :source AND lease_until < (julianday('now') - 2440587.5) * 86400.0 RETURNING id;

-- name: release
-- Return a claim with which nothing was sent.
UPDATE smsgate_message SET state = :target, token = NULL, attempts = attempts - 1
WHERE token = :token AND state = :source;

-- name: states
-- How many messages are in each state.
SELECT state, count(*) FROM smsgate_message GROUP BY state;

-- name: find_id
-- The message with an id of the gateway. Reads all messages, but is rarely used.
SELECT id FROM smsgate_message WHERE message_id = :message_id LIMIT 1;

-- name: resolve
-- Apply an operator's decision. The token goes, so that a late answer changes nothing.
UPDATE smsgate_message SET state = :target, token = NULL, reason = :reason, error = :error,
    message_id = coalesce(:message_id, message_id), settled_at = (julianday('now') - 2440587.5) * 86400.0,
    due_at = (julianday('now') - 2440587.5) * 86400.0
WHERE id = :id AND state = :source;

-- name: add_decision
-- Record an operator's decision.
INSERT INTO smsgate_decision (message, at, who, event, note)
VALUES (:id, (julianday('now') - 2440587.5) * 86400.0, :who, :event, :note);

-- name: decisions
-- The operators' decisions about a message, oldest first.
SELECT at, who, event, note FROM smsgate_decision WHERE message = :id ORDER BY id;

-- name: to_forget
-- Whether the text of a message is to be forgotten, and what its fingerprint is made of.
SELECT state, forget_text = 1 AND (text IS NOT NULL OR wappush IS NOT NULL),
    destination, sender, text, wappush
FROM smsgate_message WHERE id = :id;

-- name: forget
-- Delete the text of a message. Its fingerprint stays.
UPDATE smsgate_message SET text = NULL, wappush = NULL, fingerprint = :fingerprint WHERE id = :id;

-- name: purge
-- Delete messages that were settled long ago.
DELETE FROM smsgate_message
WHERE state = :state AND settled_at < (julianday('now') - 2440587.5) * 86400.0 - :older_than
RETURNING id;

-- name: set
-- Set a setting of the outbox.
INSERT INTO smsgate_setting (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: setting
-- A setting of the outbox.
SELECT value FROM smsgate_setting WHERE name = :name;
