-- The database of a sandbox. Times are seconds since 1970; an absent value is NULL.

-- One accepted message. `state` and `forced` are what a person has set; the schedule is computed.
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY,
    call INTEGER NOT NULL,
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    destination TEXT NOT NULL,
    sender TEXT NOT NULL,
    text TEXT,
    wappush TEXT,
    parts INTEGER NOT NULL,
    alphabet TEXT NOT NULL,
    saving TEXT,
    credits TEXT NOT NULL,
    accepted_at REAL NOT NULL,
    state TEXT NOT NULL,
    forced INTEGER NOT NULL,
    ends TEXT NOT NULL,
    takes REAL NOT NULL
);

-- One call, also those that were refused. Its messages are from `first` to before `stop`.
CREATE TABLE calls (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    operation TEXT,
    session TEXT NOT NULL,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    fault TEXT,
    first INTEGER NOT NULL,
    stop INTEGER NOT NULL
);

-- The raw request, without passwords, and the reply of a call.
CREATE TABLE exchanges (
    call INTEGER PRIMARY KEY,
    request BLOB NOT NULL,
    reply BLOB NOT NULL,
    fault TEXT
);

-- One live session with its cookie, so that a client stays logged in.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    opened_at REAL NOT NULL,
    used_at REAL NOT NULL,
    calls INTEGER NOT NULL,
    login TEXT
) WITHOUT ROWID;

-- State and balance of an account. Its password is a setting and is not stored.
CREATE TABLE accounts (
    login TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    credits TEXT NOT NULL
) WITHOUT ROWID;

-- The faults that the inbox or the JSON API has added.
CREATE TABLE faults (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    operation TEXT,
    probability REAL NOT NULL,
    times INTEGER,
    seconds REAL,
    struck INTEGER NOT NULL
);

-- How many messages and calls there were, and the calls of each operation, as JSON.
CREATE TABLE counters (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    messages INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    operations TEXT NOT NULL
);
