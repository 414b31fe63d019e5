-- Which line a decision was about; and the last balance seen before a request left, which is evidence should the process be killed.

ALTER TABLE decision ADD COLUMN line INTEGER;

ALTER TABLE batch ADD COLUMN balance TEXT;

ALTER TABLE batch ADD COLUMN balance_at REAL;
