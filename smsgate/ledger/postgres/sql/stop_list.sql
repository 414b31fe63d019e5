-- name: stop_add
-- Add numbers, unless they are listed.
INSERT INTO smsgate.stop_list (number, added_at, reason)
SELECT number, added_at, reason FROM unnest(
    CAST(:numbers AS bigint[]), CAST(:times AS float8[]), CAST(:reasons AS text[])
) AS given (number, added_at, reason)
ORDER BY number ON CONFLICT (number) DO NOTHING RETURNING number;

-- name: stop_remove
-- Remove numbers.
DELETE FROM smsgate.stop_list WHERE number = ANY(CAST(:numbers AS bigint[])) RETURNING number;

-- name: stop_listed
-- The numbers that are listed.
SELECT number FROM smsgate.stop_list WHERE number = ANY(CAST(:numbers AS bigint[]));

-- name: stop_rows
-- Entries after a number.
SELECT number, added_at, reason FROM smsgate.stop_list
WHERE number > :after ORDER BY number LIMIT :most;

-- name: stop_count
-- How many numbers are listed.
SELECT count(*) FROM smsgate.stop_list;
