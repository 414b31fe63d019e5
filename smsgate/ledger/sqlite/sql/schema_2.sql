-- The line that a decision concerns, and the last balance before a request left: evidence in case
-- the process is killed.

ALTER TABLE decision ADD COLUMN line INTEGER;

ALTER TABLE batch ADD COLUMN balance TEXT;

ALTER TABLE batch ADD COLUMN balance_at REAL;
