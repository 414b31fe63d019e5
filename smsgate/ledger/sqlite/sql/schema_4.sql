-- Each time when recipients were found on the stop list at the moment of their claim.

CREATE TABLE stopped (
    at REAL NOT NULL,
    recipients INTEGER NOT NULL
);
-- A number may occur with several texts, and the cells of the list are kept on request. SQLite cannot
-- drop the constraint that numbers are unique, so the table is written again.

CREATE TABLE recipient_4 (
    id INTEGER PRIMARY KEY,
    line INTEGER NOT NULL,
    number TEXT,
    given TEXT,
    text INTEGER REFERENCES text (id),
    state TEXT NOT NULL,
    reason TEXT,
    alone INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    request INTEGER,
    message_id TEXT,
    delivery TEXT,
    delivery_final INTEGER NOT NULL DEFAULT 0,
    asked_at REAL,
    kept TEXT
);

INSERT INTO recipient_4 (
    id, line, number, given, text, state, reason, alone, attempts, request, message_id, delivery,
    delivery_final, asked_at
)
SELECT id, line, number, given, text, state, reason, alone, attempts, request, message_id, delivery,
    delivery_final, asked_at
FROM recipient;

DROP TABLE recipient;

ALTER TABLE recipient_4 RENAME TO recipient;

CREATE UNIQUE INDEX recipient_number ON recipient (number, text);

CREATE INDEX recipient_pending ON recipient (alone, text, id) WHERE state = 'pending';

CREATE INDEX recipient_in_doubt ON recipient (request, id) WHERE state = 'in doubt';

CREATE INDEX recipient_asked ON recipient (asked_at, id)
WHERE state = 'accepted' AND delivery_final = 0;
