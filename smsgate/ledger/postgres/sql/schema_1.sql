-- The tables of an outbox, in a schema of their own.

CREATE SCHEMA IF NOT EXISTS smsgate;

CREATE TABLE smsgate.setting (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- Times are seconds since 1970. The key of a message is unique: it is what makes a send happen once.
CREATE TABLE smsgate.message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    destination text NOT NULL,
    sender text NOT NULL,
    text text,
    wappush text,
    fingerprint text NOT NULL,
    state text NOT NULL,
    queued integer NOT NULL,
    forget_text integer NOT NULL,
    added_at double precision NOT NULL,
    not_after double precision,
    token text,
    attempts integer NOT NULL DEFAULT 0,
    claimed_at double precision,
    lease_until double precision,
    settled_at double precision,
    message_id text,
    reason text,
    error text
) WITH (fillfactor = 70);

CREATE INDEX message_open ON smsgate.message (state, id)
WHERE state IN ('pending', 'in flight', 'in doubt');

CREATE INDEX message_expiring ON smsgate.message (not_after)
WHERE state = 'pending' AND not_after IS NOT NULL;

CREATE INDEX message_settled ON smsgate.message (state, settled_at);

-- Decisions of operators. A decision is never changed afterwards.
CREATE TABLE smsgate.decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message bigint NOT NULL REFERENCES smsgate.message (id) ON DELETE CASCADE,
    at double precision NOT NULL,
    who text NOT NULL,
    event text NOT NULL,
    note text NOT NULL
);
