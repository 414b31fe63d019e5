-- Cells of the list that a campaign keeps on request, and the names of their columns.
ALTER TABLE smsgate.recipient ADD COLUMN kept text;

ALTER TABLE smsgate.campaign ADD COLUMN kept_columns text;
