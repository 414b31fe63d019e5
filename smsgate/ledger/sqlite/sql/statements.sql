-- name: set
-- Keep a setting of the campaign.
INSERT INTO setting (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: settings
-- All settings of the campaign.
SELECT name, value FROM setting;

-- name: add_text
-- Keep a text, unless it is there.
INSERT OR IGNORE INTO text (hash, sender, body, wappush, parts, alphabet, forced_by)
VALUES (:hash, :sender, :body, :wappush, :parts, :alphabet, :forced_by);

-- name: find_text
-- The text of a hash.
SELECT id FROM text WHERE hash = :hash;

-- name: add_recipient
-- Add one who is to be sent to, unless the number is there.
INSERT OR IGNORE INTO recipient (line, number, text, state) VALUES (:line, :number, :text, 'pending');

-- name: find_line
-- The line on which a number was first met.
SELECT line FROM recipient WHERE number = :number;

-- name: add_skipped
-- Add one who is not sent to, with the reason.
INSERT INTO recipient (line, given, state, reason) VALUES (:line, :given, 'skipped', :reason);

-- name: first_pending
-- What is sent next: those that may go together first.
SELECT alone, text FROM recipient WHERE state = 'pending' ORDER BY alone, text, id LIMIT 1;

-- name: pending
-- Those that go together.
SELECT id, number FROM recipient WHERE state = 'pending' AND alone = :alone AND text = :text ORDER BY id LIMIT :most;

-- name: text
-- What is sent to them.
SELECT sender, body, wappush, parts FROM text WHERE id = :id;

-- name: add_request
-- Note that a request is about to leave.
INSERT INTO request (run, text, size, claimed_at, balance, balance_at)
VALUES (:run, :text, :size, :now, :balance, :balance_at);

-- name: claim
-- Put those that go together in flight, the very ones that were just read.
UPDATE recipient SET state = :target, request = :request, attempts = attempts + 1
WHERE id IN (SELECT id FROM recipient WHERE state = 'pending' AND alone = :alone AND text = :text ORDER BY id LIMIT :most);

-- name: settle
-- Write what became of a recipient in flight, and of nobody else.
UPDATE recipient SET state = ?, message_id = ?, reason = ?, alone = alone + ? WHERE id = ? AND request = ? AND state = ?;

-- name: settle_request
-- Write what became of a request.
UPDATE request
SET settled_at = :now, accepted = :accepted, refused = :refused, in_doubt = :in_doubt, reason = :reason, status = :status, reply = :reply
WHERE id = :request;

-- name: forget_text
-- Drop a text that nobody needs any more; its hash stays.
UPDATE text SET body = NULL, wappush = NULL
WHERE id = (SELECT text FROM request WHERE id = :request)
AND NOT EXISTS (
    SELECT 1 FROM recipient WHERE recipient.text = text.id AND state IN ('pending', 'in flight', 'in doubt')
);

-- name: set_evidence
-- Keep evidence with a request in doubt.
UPDATE request SET evidence = :evidence WHERE id = :request;

-- name: around
-- The balance seen before a request left, what accepted messages cost since, and how many requests overlapped with it.
SELECT one.balance, one.balance_at, (
    SELECT coalesce(sum(later.accepted * text.parts), 0)
    FROM request AS later JOIN text ON text.id = later.text
    WHERE later.settled_at BETWEEN one.balance_at AND :until
), (
    SELECT count(*) FROM request AS other
    WHERE other.id <> one.id AND (other.settled_at IS NULL OR other.settled_at > one.claimed_at)
    AND (one.settled_at IS NULL OR other.claimed_at < one.settled_at)
)
FROM request AS one WHERE one.id = :request;

-- name: without_evidence
-- Requests with recipients in doubt and no evidence, oldest first.
SELECT DISTINCT request.id FROM recipient JOIN request ON request.id = recipient.request
WHERE recipient.state = 'in doubt' AND request.evidence IS NULL ORDER BY request.id;

-- name: known_ids
-- Those of these message ids that an answer has told us. It reads everybody, since an index would cost more than all the rest.
SELECT message_id FROM recipient WHERE message_id IN (SELECT value FROM json_each(:ids));

-- name: doubt_requests
-- Requests that were under way when the process ended.
UPDATE request SET settled_at = :now, in_doubt = size, reason = :reason WHERE settled_at IS NULL;

-- name: doubt_recipients
-- Recipients that were in flight when the process ended.
UPDATE recipient SET state = :target, reason = :reason WHERE state = :source;

-- name: start_run
-- Note that a run begins.
INSERT INTO run (started_at) VALUES (:now);

-- name: end_run
-- Note how a run ended.
UPDATE run SET ended_at = :now, outcome = :outcome WHERE id = :run;

-- name: resolve
-- Move recipients as the operator says.
UPDATE recipient SET state = :target, alone = :alone, reason = :reason, message_id = :message_id
WHERE state = :source AND (:request IS NULL OR request = :request) AND (:line IS NULL OR line = :line);

-- name: find_id
-- The line of the recipient who has a message id. It reads all recipients, as an operator does rarely.
SELECT line FROM recipient WHERE message_id = :message_id LIMIT 1;

-- name: add_decision
-- Keep what the operator said.
INSERT INTO decision (at, who, event, note, request, line, recipients) VALUES (:now, :who, :event, :note, :request, :line, :recipients);

-- name: decisions
-- What operators have said, oldest first.
SELECT at, who, event, note, request, line, recipients FROM decision ORDER BY id;

-- name: states
-- How many recipients are in each state.
SELECT state, count(*) FROM recipient GROUP BY state;

-- name: last_recipient
-- The last key, which is the number of all recipients.
SELECT coalesce(max(id), 0) FROM recipient;

-- name: reasons
-- Why recipients are in a state.
SELECT coalesce(reason, ''), count(*) FROM recipient WHERE state = :state GROUP BY reason ORDER BY count(*) DESC, reason;

-- name: deliveries
-- What became of accepted messages.
SELECT coalesce(delivery, ''), count(*) FROM recipient WHERE state = 'accepted' GROUP BY delivery ORDER BY count(*) DESC;

-- name: parts
-- Recipients and parts by state, which is what they cost.
SELECT recipient.state, text.parts, text.alphabet, count(*)
FROM recipient JOIN text ON text.id = recipient.text
GROUP BY recipient.state, text.parts, text.alphabet;

-- name: texts
-- How many texts there are, and how many of them are UCS-2.
SELECT count(*), coalesce(sum(alphabet = 'UCS-2'), 0) FROM text;

-- name: forced_by
-- The characters that forced texts into UCS-2.
SELECT forced_by, count(*) FROM text WHERE forced_by <> '' GROUP BY forced_by ORDER BY count(*) DESC LIMIT 100;

-- name: example
-- A text to look at, the longest, and a number that it is for.
SELECT sender, body, wappush, (SELECT number FROM recipient WHERE recipient.text = longest.id LIMIT 1)
FROM (SELECT * FROM text WHERE body IS NOT NULL OR wappush IS NOT NULL ORDER BY parts DESC, id LIMIT 1) AS longest;

-- name: requests_in_doubt
-- Requests with recipients in doubt, oldest first.
SELECT request.id, request.claimed_at, request.settled_at, request.size, request.reason, request.status, length(request.reply), request.evidence,
    text.parts, count(*)
FROM recipient JOIN request ON request.id = recipient.request JOIN text ON text.id = request.text
WHERE recipient.state = 'in doubt'
GROUP BY request.id ORDER BY request.id;

-- name: recipients_in_doubt
-- Who is in doubt in one request.
SELECT line, number, reason FROM recipient WHERE state = 'in doubt' AND request = :request ORDER BY id;

-- name: reply
-- The raw reply of a request, as far as it was kept.
SELECT reply FROM request WHERE id = :request;

-- name: runs
-- All runs.
SELECT id, started_at, ended_at, outcome FROM run ORDER BY id;

-- name: span
-- From the first claim to the last answer.
SELECT min(claimed_at), max(settled_at), count(*) FROM request;

-- name: timeline
-- Recipients by time of their answer, in steps. An answer before the start came after the clock was set back.
SELECT max(cast((settled_at - :start) / :step AS INTEGER), 0) AS slot, sum(accepted), sum(refused), sum(in_doubt)
FROM request WHERE settled_at IS NOT NULL GROUP BY slot ORDER BY slot;

-- name: to_ask
-- Accepted messages whose status is not final, asked longest ago first. The clock was set back if one was asked in the future.
SELECT id, message_id FROM recipient
WHERE state = 'accepted' AND delivery_final = 0 AND message_id IS NOT NULL
AND (asked_at IS NULL OR asked_at <= :before OR asked_at > :now)
ORDER BY asked_at, id LIMIT :most;

-- name: next_ask
-- How many statuses are not final, and when the one asked longest ago was asked.
SELECT count(*), min(coalesce(asked_at, 0)) FROM recipient
WHERE state = 'accepted' AND delivery_final = 0 AND message_id IS NOT NULL;

-- name: set_delivery
-- Write a delivery status.
UPDATE recipient SET delivery = :delivery, delivery_final = :final, asked_at = :now WHERE id = :id AND state = 'accepted';

-- name: note_asked
-- Note that a status was asked for in vain.
UPDATE recipient SET asked_at = :now WHERE id = :id AND state = 'accepted';

-- name: recipients
-- Everybody, in the order of the file.
SELECT recipient.line, coalesce(recipient.number, recipient.given), recipient.state, recipient.reason, recipient.message_id, recipient.delivery, recipient.request,
    recipient.attempts, text.sender, text.parts
FROM recipient LEFT JOIN text ON text.id = recipient.text
ORDER BY recipient.id;

-- name: purge_recipients
-- Forget who it was.
UPDATE recipient SET number = NULL, given = NULL, message_id = NULL;

-- name: purge_texts
-- Forget what was said.
UPDATE text SET body = NULL, wappush = NULL;

-- name: purge_requests
-- Forget replies, which quote numbers.
UPDATE request SET reply = NULL, evidence = NULL;

-- name: purge_decisions
-- Forget what was noted, which may name people; who decided, and when, stays.
UPDATE decision SET note = '';

-- name: unset
-- Drop a setting.
DELETE FROM setting WHERE name = :name;

-- name: drop_texts
-- Drop texts of recipients that turned out to repeat others.
DELETE FROM text WHERE id NOT IN (SELECT text FROM recipient WHERE text IS NOT NULL);

-- name: forget_texts
-- Drop every text that nobody needs any more; the hashes stay.
UPDATE text SET body = NULL, wappush = NULL
WHERE body IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM recipient WHERE recipient.text = text.id AND state IN ('pending', 'in flight', 'in doubt')
);
