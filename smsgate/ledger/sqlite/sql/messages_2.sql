-- When a worker may try a pending message again. 0 for messages of version 1: now.
ALTER TABLE smsgate_message ADD COLUMN due_at REAL NOT NULL DEFAULT 0;

CREATE INDEX smsgate_message_due ON smsgate_message (due_at, id)
WHERE state = 'pending' AND queued = 1;
