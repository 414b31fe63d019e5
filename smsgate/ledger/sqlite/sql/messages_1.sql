-- The tables of an outbox. They may stand in the database of an application.

CREATE TABLE smsgate_setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Times are seconds since 1970. The key of a message is unique: it is what makes a send happen once.
CREATE TABLE smsgate_message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    sender TEXT NOT NULL,
    text TEXT,
    wappush TEXT,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    queued INTEGER NOT NULL,
    forget_text INTEGER NOT NULL,
    added_at REAL NOT NULL,
    not_after REAL,
    token TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed_at REAL,
    lease_until REAL,
    settled_at REAL,
    message_id TEXT,
    reason TEXT,
    error TEXT
);

CREATE INDEX smsgate_message_open ON smsgate_message (state, id)
WHERE state IN ('pending', 'in flight', 'in doubt');

CREATE INDEX smsgate_message_expiring ON smsgate_message (not_after)
WHERE state = 'pending' AND not_after IS NOT NULL;

CREATE INDEX smsgate_message_settled ON smsgate_message (state, settled_at);

-- Decisions of operators. A decision is never changed afterwards.
CREATE TABLE smsgate_decision (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL REFERENCES smsgate_message (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    event TEXT NOT NULL,
    note TEXT NOT NULL
);
