-- name: set
-- Set a setting of the campaign.
INSERT INTO setting (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: settings
-- All settings of the campaign.
SELECT name, value FROM setting;

-- name: add_text
-- Add a text, unless it exists.
INSERT OR IGNORE INTO text (hash, sender, body, wappush, parts, alphabet, forced_by)
VALUES (:hash, :sender, :body, :wappush, :parts, :alphabet, :forced_by);

-- name: find_text
-- The text with this hash.
SELECT id FROM text WHERE hash = :hash;

-- name: add_recipient
-- Add a pending recipient, unless the number exists; with `each_text`, unless it has this text.
INSERT INTO recipient (line, number, text, state, kept)
SELECT :line, :number, :text, 'pending', :kept WHERE NOT EXISTS (
    SELECT 1 FROM recipient AS known WHERE known.number = :number AND (NOT :each_text OR EXISTS (
        SELECT 1 FROM text AS one JOIN text AS other
            ON one.body IS other.body AND one.wappush IS other.wappush
        WHERE one.id = known.text AND other.id = :text
    ))
);

-- name: find_line
-- The line with the first occurrence of a number; with `each_text`, of the number and the text.
SELECT line FROM recipient AS known WHERE known.number = :number AND (NOT :each_text OR EXISTS (
    SELECT 1 FROM text AS one JOIN text AS other
        ON one.body IS other.body AND one.wappush IS other.wappush
    WHERE one.id = known.text AND other.id = :text
)) ORDER BY id LIMIT 1;

-- name: add_skipped
-- Add a skipped recipient, with the reason.
INSERT INTO recipient (line, given, state, reason, kept)
VALUES (:line, :given, 'skipped', :reason, :kept);

-- name: first_pending
-- The text to send next. Recipients that may share a request come first.
SELECT alone, text FROM recipient WHERE state = 'pending' ORDER BY alone, text, id LIMIT 1;

-- name: pending
-- The recipients of the next request.
SELECT id, number FROM recipient
WHERE state = 'pending' AND alone = :alone AND text = :text ORDER BY id LIMIT :most;

-- name: text
-- The content of a text.
SELECT sender, body, wappush, parts FROM text WHERE id = :id;

-- name: add_request
-- Record that a request is about to leave.
INSERT INTO request (run, text, size, claimed_at, balance, balance_at)
VALUES (:run, :text, :size, :now, :balance, :balance_at);

-- name: claim
-- Move the recipients of the next request, the same ones that `pending` returned, to in flight.
UPDATE recipient SET state = :target, request = :request, attempts = attempts + 1
WHERE id IN (
    SELECT id FROM recipient
    WHERE state = 'pending' AND alone = :alone AND text = :text ORDER BY id LIMIT :most
);

-- name: stop
-- Abandon a pending recipient that is on the stop list.
UPDATE recipient SET state = ?, reason = ? WHERE id = ? AND state = ?;

-- name: forget_text_of
-- Delete a text if no recipient needs it any more, as they were found on the stop list.
UPDATE text SET body = NULL, wappush = NULL
WHERE id = :text AND NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.text = text.id AND state IN ('pending', 'in flight', 'in doubt')
);

-- name: add_stopped
-- Record when recipients were found on the stop list.
INSERT INTO stopped (at, recipients) VALUES (:now, :recipients);

-- name: stopped
-- When recipients were found on the stop list.
SELECT at, recipients FROM stopped ORDER BY at;

-- name: settle
-- Record the outcome of one recipient in flight.
UPDATE recipient SET state = ?, message_id = ?, reason = ?, alone = alone + ?
WHERE id = ? AND request = ? AND state = ?;

-- name: settle_request
-- Record the outcome of a request.
UPDATE request
SET settled_at = :now, accepted = :accepted, refused = :refused, in_doubt = :in_doubt,
    reason = :reason, status = :status, reply = :reply
WHERE id = :request;

-- name: forget_text
-- Delete the text of a request if no recipient needs it any more. Its hash stays.
UPDATE text SET body = NULL, wappush = NULL
WHERE id = (SELECT text FROM request WHERE id = :request)
AND NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.text = text.id AND state IN ('pending', 'in flight', 'in doubt')
);

-- name: set_evidence
-- Store evidence with a request in doubt.
UPDATE request SET evidence = :evidence WHERE id = :request;

-- name: around
-- The balance before a request, the cost of messages accepted since, and the number of requests
-- that overlap with it, or are in doubt since that balance.
SELECT one.balance, one.balance_at, (
    SELECT coalesce(sum(later.accepted * text.parts), 0)
    FROM request AS later JOIN text ON text.id = later.text
    WHERE later.settled_at BETWEEN one.balance_at AND :until
), (
    SELECT count(*) FROM request AS other
    WHERE other.id <> one.id AND (other.settled_at IS NULL OR other.settled_at > one.claimed_at)
    AND (one.settled_at IS NULL OR other.claimed_at < one.settled_at)
    OR other.id IN (SELECT request FROM recipient WHERE state = 'in doubt') AND other.id <> one.id
    AND other.settled_at > one.balance_at AND other.claimed_at < :until
)
FROM request AS one WHERE one.id = :request;

-- name: without_evidence
-- Requests with recipients in doubt and no evidence, oldest first.
SELECT DISTINCT request.id FROM recipient JOIN request ON request.id = recipient.request
WHERE recipient.state = 'in doubt' AND request.evidence IS NULL ORDER BY request.id;

-- name: known_ids
-- The recorded ones of these message ids. Reads all recipients: an index would slow down sending.
SELECT message_id FROM recipient WHERE message_id IN (SELECT value FROM json_each(:ids));

-- name: doubt_requests
-- Settle requests that were in flight when the process ended.
UPDATE request SET settled_at = :now, in_doubt = size, reason = :reason WHERE settled_at IS NULL;

-- name: doubt_recipients
-- Move recipients that were in flight when the process ended to in doubt.
UPDATE recipient SET state = :target, reason = :reason WHERE state = :source;

-- name: start_run
-- Record the start of a run.
INSERT INTO run (started_at) VALUES (:now);

-- name: end_run
-- Record how a run ended.
UPDATE run SET ended_at = :now, outcome = :outcome WHERE id = :run;

-- name: resolve
-- Apply the operator's decision to recipients.
UPDATE recipient SET state = :target, alone = :alone, reason = :reason, message_id = :message_id
WHERE state = :source
AND (:request IS NULL OR request = :request)
AND (:first_line IS NULL OR line BETWEEN :first_line AND :last_line);

-- name: find_id
-- The line of the recipient with a message id. Reads all recipients, but is rarely used.
SELECT line FROM recipient WHERE message_id = :message_id LIMIT 1;

-- name: add_decision
-- Record an operator's decision.
INSERT INTO decision (at, who, event, note, request, line, recipients)
VALUES (:now, :who, :event, :note, :request, :line, :recipients);

-- name: decisions
-- All decisions of operators, oldest first.
SELECT at, who, event, note, request, line, recipients FROM decision ORDER BY id;

-- name: states
-- How many recipients are in each state.
SELECT state, count(*) FROM recipient GROUP BY state;

-- name: last_recipient
-- The last key, which equals the number of all recipients.
SELECT coalesce(max(id), 0) FROM recipient;

-- name: reasons
-- How many recipients are in a state, by reason.
SELECT coalesce(reason, ''), count(*) FROM recipient WHERE state = :state
GROUP BY reason ORDER BY count(*) DESC, reason;

-- name: deliveries
-- How many accepted messages have each delivery status.
SELECT coalesce(delivery, ''), count(*) FROM recipient WHERE state = 'accepted'
GROUP BY delivery ORDER BY count(*) DESC;

-- name: parts
-- Recipients by state, number of parts, from which the cost follows, and sender.
SELECT recipient.state, text.parts, text.alphabet, text.sender, count(*)
FROM recipient JOIN text ON text.id = recipient.text
GROUP BY recipient.state, text.parts, text.alphabet, text.sender;

-- name: pending_numbers
-- Pending recipients, by the beginnings of their numbers and parts.
SELECT substr(recipient.number, 1, min(7, length(recipient.number) - 4)) AS beginning, text.parts,
    count(*), min(recipient.number)
FROM recipient JOIN text ON text.id = recipient.text
WHERE recipient.state = 'pending' GROUP BY beginning, text.parts;

-- name: texts
-- How many texts there are, and how many of them are UCS-2.
SELECT count(*), coalesce(sum(alphabet = 'UCS-2'), 0) FROM text;

-- name: forced_by
-- The characters that forced texts into UCS-2.
SELECT forced_by, count(*) FROM text WHERE forced_by <> ''
GROUP BY forced_by ORDER BY count(*) DESC LIMIT 100;

-- name: example
-- The longest text, as an example, and the number of one of its recipients.
SELECT sender, body, wappush,
    (SELECT number FROM recipient WHERE recipient.text = longest.id LIMIT 1)
FROM (
    SELECT * FROM text WHERE body IS NOT NULL OR wappush IS NOT NULL
    ORDER BY parts DESC, id LIMIT 1
) AS longest;

-- name: requests_in_doubt
-- Requests with recipients in doubt, oldest first.
SELECT request.id, request.claimed_at, request.settled_at, request.size, request.reason,
    request.status, length(request.reply), request.evidence, text.parts, count(*)
FROM recipient JOIN request ON request.id = recipient.request JOIN text ON text.id = request.text
WHERE recipient.state = 'in doubt'
GROUP BY request.id ORDER BY request.id;

-- name: recipients_in_doubt
-- The recipients in doubt of one request.
SELECT line, number, reason FROM recipient WHERE state = 'in doubt' AND request = :request
ORDER BY id;

-- name: reply
-- The stored raw reply of a request.
SELECT reply FROM request WHERE id = :request;

-- name: runs
-- All runs.
SELECT id, started_at, ended_at, outcome FROM run ORDER BY id;

-- name: span
-- The times of the first claim and the last answer, and the number of requests.
SELECT min(claimed_at), max(settled_at), count(*) FROM request;

-- name: timeline
-- Outcomes by time slot. If the clock was set back, an answer may lie before the start.
SELECT max(cast((settled_at - :start) / :step AS INTEGER), 0) AS slot,
    sum(accepted), sum(refused), sum(in_doubt)
FROM request WHERE settled_at IS NOT NULL GROUP BY slot ORDER BY slot;

-- name: to_ask
-- Messages due for a status check. A check in the future means that the clock was set back.
SELECT id, message_id FROM recipient
WHERE state = 'accepted' AND delivery_final = 0 AND message_id IS NOT NULL
AND (asked_at IS NULL OR asked_at <= :before OR asked_at > :now)
ORDER BY asked_at, id LIMIT :most;

-- name: next_ask
-- How many statuses are not final, and the time of the least recent check.
SELECT count(*), min(coalesce(asked_at, 0)) FROM recipient
WHERE state = 'accepted' AND delivery_final = 0 AND message_id IS NOT NULL;

-- name: set_delivery
-- Record a delivery status.
UPDATE recipient SET delivery = :delivery, delivery_final = :final, asked_at = :now
WHERE id = :id AND state = 'accepted';

-- name: note_asked
-- Record a failed status check.
UPDATE recipient SET asked_at = :now WHERE id = :id AND state = 'accepted';

-- name: recipients
-- All recipients, in the order of the list.
SELECT recipient.line, coalesce(recipient.number, recipient.given), recipient.state,
    recipient.reason, recipient.message_id, recipient.delivery, recipient.request,
    recipient.attempts, text.sender, text.parts, recipient.kept
FROM recipient LEFT JOIN text ON text.id = recipient.text
ORDER BY recipient.id;

-- name: samples
-- Recipients whose number and text are still there, from a key on.
SELECT one.id, one.line, one.number, text.sender, text.body, text.wappush, text.parts,
    text.alphabet, text.forced_by
FROM recipient AS one JOIN text ON text.id = one.text
WHERE one.id >= :id AND (:line IS NULL OR one.line = :line) AND one.number IS NOT NULL
AND (text.body IS NOT NULL OR text.wappush IS NOT NULL)
ORDER BY one.id LIMIT :most;

-- name: purge_recipients
-- Delete numbers, message ids and kept cells.
UPDATE recipient SET number = NULL, given = NULL, message_id = NULL, kept = NULL;

-- name: purge_texts
-- Delete texts.
UPDATE text SET body = NULL, wappush = NULL;

-- name: purge_requests
-- Delete replies and evidence, since replies quote numbers.
UPDATE request SET reply = NULL, evidence = NULL;

-- name: purge_decisions
-- Delete the notes of decisions, which may name people. The operator and the time stay.
UPDATE decision SET note = '';

-- name: unset
-- Delete a setting.
DELETE FROM setting WHERE name = :name;

-- name: drop_texts
-- Delete texts without a recipient: their recipients repeated other lines.
DELETE FROM text WHERE id NOT IN (SELECT text FROM recipient WHERE text IS NOT NULL);

-- name: forget_texts
-- Delete every text that no recipient needs any more. The hashes stay.
UPDATE text SET body = NULL, wappush = NULL
WHERE body IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.text = text.id AND state IN ('pending', 'in flight', 'in doubt')
);
