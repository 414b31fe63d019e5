-- One word for one thing: request instead of batch, refused, in doubt, the outcome of a run. One
-- index names a state, so it is dropped and created again.

ALTER TABLE batch RENAME TO request;

ALTER TABLE request RENAME COLUMN rejected TO refused;

ALTER TABLE request RENAME COLUMN lost TO in_doubt;

ALTER TABLE recipient RENAME COLUMN batch TO request;

ALTER TABLE decision RENAME COLUMN batch TO request;

ALTER TABLE run RENAME COLUMN ending TO outcome;

DROP INDEX recipient_unknown;

UPDATE recipient SET state = 'refused' WHERE state = 'rejected';

UPDATE recipient SET state = 'in doubt' WHERE state = 'unknown';

UPDATE decision SET event = 'cancel' WHERE event = 'call off';

CREATE INDEX recipient_in_doubt ON recipient (request, id) WHERE state = 'in doubt';
