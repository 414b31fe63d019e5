-- name: create
-- The numbers as integers, which are the key of the table itself.
CREATE TABLE IF NOT EXISTS smsgate_stop_list (
    number INTEGER PRIMARY KEY,
    added_at REAL NOT NULL,
    reason TEXT NOT NULL
);

-- name: exists
-- Whether the file has a stop list.
SELECT 1 FROM sqlite_master WHERE name = 'smsgate_stop_list';

-- name: add
-- Add a number, unless it is listed.
INSERT OR IGNORE INTO smsgate_stop_list (number, added_at, reason) VALUES (?, ?, ?);

-- name: remove
-- Remove numbers.
DELETE FROM smsgate_stop_list WHERE number IN (SELECT value FROM json_each(:numbers));

-- name: listed
-- The numbers that are listed.
SELECT number FROM smsgate_stop_list WHERE number IN (SELECT value FROM json_each(:numbers));

-- name: rows
-- Entries after a number.
SELECT number, added_at, reason FROM smsgate_stop_list
WHERE number > :after ORDER BY number LIMIT :most;

-- name: count
-- How many numbers are listed.
SELECT count(*) FROM smsgate_stop_list;
