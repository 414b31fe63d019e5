-- The stop list: numbers, as integers, that no campaign of this database sends to. A campaign may
-- have further lists, and each time when it found recipients on one is kept.
CREATE TABLE smsgate.stop_list (
    number bigint PRIMARY KEY,
    added_at double precision NOT NULL,
    reason text NOT NULL
);

ALTER TABLE smsgate.campaign ADD COLUMN stop_lists text NOT NULL DEFAULT '[]';

-- When the campaign may send, as a text that only smsgate reads.
ALTER TABLE smsgate.campaign ADD COLUMN sending_window text NOT NULL DEFAULT '';

-- How the numbers of all recipients begin, as a text that only smsgate reads.
ALTER TABLE smsgate.campaign ADD COLUMN number_groups text NOT NULL DEFAULT '';

CREATE TABLE smsgate.stopped (
    campaign bigint NOT NULL REFERENCES smsgate.campaign (id) ON DELETE CASCADE,
    at double precision NOT NULL,
    recipients bigint NOT NULL
);

CREATE INDEX stopped_campaign ON smsgate.stopped (campaign);
-- Cells of the list that a campaign keeps on request, and the names of their columns.
ALTER TABLE smsgate.recipient ADD COLUMN kept text;

ALTER TABLE smsgate.campaign ADD COLUMN kept_columns text;
