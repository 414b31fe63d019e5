-- The first schema: everything about one campaign in one file.

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The content of messages: a sender with a text or a WAP push. The body may be deleted once it is
-- sent, and the hash stays.
CREATE TABLE text (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    sender TEXT NOT NULL,
    body TEXT,
    wappush TEXT,
    parts INTEGER NOT NULL,
    alphabet TEXT NOT NULL,
    forced_by TEXT NOT NULL
);

-- Each number occurs once. A skipped recipient has no `number`; `given` is the cell of the list.
CREATE TABLE recipient (
    id INTEGER PRIMARY KEY,
    line INTEGER NOT NULL,
    number TEXT UNIQUE,
    given TEXT,
    text INTEGER REFERENCES text (id),
    state TEXT NOT NULL,
    reason TEXT,
    alone INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    batch INTEGER,
    message_id TEXT,
    delivery TEXT,
    delivery_final INTEGER NOT NULL DEFAULT 0,
    asked_at REAL
);

-- No index may depend on a column that a send changes in random order: SQLite would then write one
-- page of the file for each recipient.
CREATE INDEX recipient_pending ON recipient (alone, text, id) WHERE state = 'pending';
CREATE INDEX recipient_unknown ON recipient (batch, id) WHERE state = 'unknown';
CREATE INDEX recipient_asked ON recipient (asked_at, id)
WHERE state = 'accepted' AND delivery_final = 0;

-- One request: claimed and synced before it leaves, settled when its outcome is written.
CREATE TABLE batch (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    text INTEGER NOT NULL,
    size INTEGER NOT NULL,
    claimed_at REAL NOT NULL,
    settled_at REAL,
    accepted INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    status INTEGER,
    reply BLOB,
    evidence TEXT
);

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    started_at REAL NOT NULL,
    ended_at REAL,
    ending TEXT
);

-- Decisions of operators about recipients in doubt. A decision is never changed afterwards.
CREATE TABLE decision (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    event TEXT NOT NULL,
    note TEXT NOT NULL,
    batch INTEGER,
    recipients INTEGER NOT NULL
);
