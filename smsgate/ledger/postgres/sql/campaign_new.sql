-- Statements of one campaign's own tables: {id} is its number, {most} the longest request.

-- name: add_tables
-- The tables of a new campaign. They become partitions when they are filled.
CREATE TABLE smsgate.text_{id} (LIKE smsgate.text INCLUDING DEFAULTS, CHECK (campaign = {id}));

-- name: add_recipient_table
-- Free space on each page lets an update stay on its page.
CREATE TABLE smsgate.recipient_{id} (LIKE smsgate.recipient INCLUDING DEFAULTS, CHECK (campaign = {id}))
WITH (fillfactor = 60);

-- name: add_request_table
-- Requests change several times, so they are vacuumed often.
CREATE TABLE smsgate.request_{id} (LIKE smsgate.request INCLUDING DEFAULTS, CHECK (campaign = {id}))
WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);

-- name: add_list
-- The list as it is read, in its order.
CREATE TEMPORARY TABLE given_list (
    place bigint, line bigint, number text, text bigint, parts integer, alphabet text, reason text,
    typographic integer, transliterated integer, both_saved integer, kept text, content bytea
) ON COMMIT DROP;

-- name: copy_texts
-- Texts in bulk.
COPY smsgate.text_{id} (campaign, id, sender, body, wappush, parts, alphabet, forced_by) FROM STDIN;

-- name: copy_list
-- Recipients in bulk.
COPY given_list (
    place, line, number, text, parts, alphabet, reason, typographic, transliterated, both_saved,
    kept, content
) FROM STDIN;

-- name: add_recipients
-- Recipients of one text get ids that follow each other. A number that occurs again is skipped. If
-- each text is sent, `content` tells different texts apart; else it is NULL.
INSERT INTO smsgate.recipient_{id} (
    campaign, id, line, number, given, text, parts, alphabet, state, reason, kept
)
SELECT {id}, row_number() OVER (ORDER BY fits DESC, CASE WHEN fits THEN text END, place), line,
    CASE WHEN fits THEN number END, CASE WHEN NOT fits THEN left(number, 64) END,
    CASE WHEN fits THEN text END, CASE WHEN fits THEN parts END, CASE WHEN fits THEN alphabet END,
    CASE WHEN fits THEN 'pending' ELSE 'skipped' END,
    CASE WHEN NOT fits THEN coalesce(reason, 'repeats line ' || first_line) END, kept
FROM (
    SELECT *, reason IS NULL AND row_number() OVER numbers = 1 AS fits,
        first_value(line) OVER numbers AS first_line
    FROM given_list
    WINDOW numbers AS (PARTITION BY reason IS NULL, number, content ORDER BY place)
) AS counted;

-- name: repeated_savings
-- The parts that rewriting would save for recipients that are skipped, as they repeat a number.
SELECT coalesce(sum(typographic), 0), coalesce(sum(transliterated), 0), coalesce(sum(both_saved), 0)
FROM smsgate.recipient_{id} AS one JOIN given_list AS given ON given.line = one.line
WHERE one.state = 'skipped' AND given.reason IS NULL;

-- name: add_requests
-- One request for each piece of a text's recipients.
INSERT INTO smsgate.request_{id} (campaign, id, text, first, last, size, state)
SELECT {id}, row_number() OVER (ORDER BY min(id)), text, min(id), max(id), count(*), 'pending'
FROM (
    SELECT id, text, (id - min(id) OVER (PARTITION BY text)) / {most} AS piece
    FROM smsgate.recipient_{id} WHERE state = 'pending'
) AS pieces GROUP BY text, piece;

-- name: drop_texts
-- Delete texts without a recipient: their recipients repeated other lines.
DELETE FROM smsgate.text_{id} AS one WHERE NOT EXISTS (
    SELECT 1 FROM smsgate.recipient_{id} AS recipient WHERE recipient.text = one.id
);

-- name: add_sequence
-- The numbers of later requests.
CREATE SEQUENCE smsgate.request_id_{id} OWNED BY smsgate.request_{id}.id;

-- name: set_sequence
-- Begin after the requests that exist.
SELECT setval('smsgate.request_id_{id}', (SELECT count(*) + 1 FROM smsgate.request_{id}), false);

-- name: index_texts
-- The key of texts.
ALTER TABLE smsgate.text_{id} ADD PRIMARY KEY (campaign, id);

-- name: index_recipients
-- The key of recipients.
ALTER TABLE smsgate.recipient_{id} ADD PRIMARY KEY (campaign, id);

-- name: attach_texts
-- Make the table a partition.
ALTER TABLE smsgate.text ATTACH PARTITION smsgate.text_{id} FOR VALUES IN ({id});

-- name: attach_recipients
-- Make the table a partition.
ALTER TABLE smsgate.recipient ATTACH PARTITION smsgate.recipient_{id} FOR VALUES IN ({id});

-- name: attach_requests
-- Make the table a partition. Its indexes are created here.
ALTER TABLE smsgate.request ATTACH PARTITION smsgate.request_{id} FOR VALUES IN ({id});

-- name: count_skipped
-- How many recipients were added as pending, and how many were skipped, by reason.
SELECT state, reason, count(*) FROM smsgate.recipient_{id} GROUP BY state, reason;

-- name: analyze
-- Statistics for the planner.
ANALYZE smsgate.recipient_{id}, smsgate.request_{id}, smsgate.text_{id};

-- name: index_asks
-- For polling. Not before, since this index would slow down sending.
CREATE INDEX IF NOT EXISTS recipient_{id}_asked ON smsgate.recipient_{id} (asked_at, id)
WHERE state = 'accepted' AND delivery_final = 0;

-- name: drop_recipients
-- Delete all recipients at once.
DROP TABLE smsgate.recipient_{id};

-- name: drop_text_table
-- Delete all texts at once.
DROP TABLE smsgate.text_{id};
