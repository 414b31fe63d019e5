-- When a worker may try a pending message again. 0 for messages of version 2: now.
ALTER TABLE smsgate.message ADD COLUMN due_at float8 NOT NULL DEFAULT 0;

CREATE INDEX message_due ON smsgate.message (due_at, id)
WHERE state = 'pending' AND queued = 1;
