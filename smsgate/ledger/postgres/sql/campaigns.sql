-- name: add_campaign
-- Add a campaign, unless the name is taken.
INSERT INTO smsgate.campaign (name, state, forget_texts, created_at, kept_columns)
VALUES (:name, 'ready', :forget_texts, smsgate.now(), :kept_columns) ON CONFLICT (name) DO NOTHING RETURNING id;

-- name: set_skipped
-- Record the number of skipped recipients.
UPDATE smsgate.campaign SET skipped = :skipped WHERE id = :campaign;

-- name: campaign
-- The campaign of this name.
SELECT id, forget_texts FROM smsgate.campaign WHERE name = :name;

-- name: running
-- Campaigns that were started and have recipients to send to.
SELECT name FROM smsgate.campaign AS one WHERE state = 'running' AND (
    EXISTS (
        SELECT 1 FROM smsgate.request WHERE campaign = one.id AND request.state = 'pending'
    ) OR EXISTS (
        SELECT 1 FROM smsgate.request WHERE campaign = one.id AND request.state = 'in flight'
    )
) ORDER BY id;

-- name: settings
-- The settings of the campaign.
SELECT name, state, why, created_at, purged_at, counted FROM smsgate.campaign WHERE id = :campaign;

-- name: start
-- Let a new or paused campaign send.
UPDATE smsgate.campaign SET state = 'running', why = ''
WHERE id = :campaign AND state = ANY(:states) RETURNING id;

-- name: pause
-- Let no machine claim anything more.
UPDATE smsgate.campaign SET state = 'paused', why = :why
WHERE id = :campaign AND state <> 'paused' RETURNING id;

-- name: standing
-- Whether the campaign may send, why not, and whether a failover has to be accepted first.
SELECT state, why, smsgate.on_known_timeline() FROM smsgate.campaign WHERE id = :campaign;

-- name: claim
-- Move the next request to in flight. If it has too many recipients, cut a new one from it. Not
-- while the campaign is paused, and not after a failover, which may have lost records.
WITH next AS MATERIALIZED (
    SELECT id, text, first, last, size, alone, attempts FROM smsgate.request AS one
    WHERE campaign = :campaign AND state = 'pending' AND smsgate.on_known_timeline() AND EXISTS (
        SELECT 1 FROM smsgate.campaign WHERE id = :campaign AND state = 'running'
    )
    ORDER BY alone, id LIMIT 1 FOR UPDATE OF one SKIP LOCKED
), shortened AS (
    UPDATE smsgate.request AS one SET first = one.first + :most, size = one.size - :most FROM next
    WHERE one.campaign = :campaign AND one.id = next.id AND next.size > :most
), cut AS (
    INSERT INTO smsgate.request (
        campaign, id, text, first, last, size, alone, attempts, state, token, run, claimed_at,
        lease_until, balance, balance_at
    )
    SELECT :campaign, nextval('smsgate.request_id_' || :campaign), text, first, first + :most - 1,
        :most, alone, attempts + 1, 'in flight', :token, :run, smsgate.now(),
        smsgate.now() + CAST(:lease AS float8), :balance, CAST(:balance_at AS float8)
    FROM next WHERE size > :most
    RETURNING id, text, alone, first, last, size, lease_until
), whole AS (
    UPDATE smsgate.request AS one SET state = 'in flight', attempts = one.attempts + 1,
        token = :token, run = :run, claimed_at = smsgate.now(),
        lease_until = smsgate.now() + CAST(:lease AS float8), balance = :balance,
        balance_at = CAST(:balance_at AS float8)
    FROM next WHERE one.campaign = :campaign AND one.id = next.id AND next.size <= :most
    RETURNING one.id, one.text, one.alone, one.first, one.last, one.size, one.lease_until
)
SELECT id, text, alone, first, last, size, lease_until - smsgate.now() FROM cut
UNION ALL SELECT id, text, alone, first, last, size, lease_until - smsgate.now() FROM whole;

-- name: claimed
-- The request that this token has claimed.
SELECT id, text, alone, first, last, size, lease_until - smsgate.now() FROM smsgate.request
WHERE campaign = :campaign AND token = :token AND state = 'in flight';

-- name: of_request
-- The recipients of a claimed request.
SELECT id, number FROM smsgate.recipient
WHERE campaign = :campaign AND id BETWEEN :first AND :last AND state = 'pending' ORDER BY id;

-- name: text
-- The content of a text.
SELECT sender, body, wappush, parts FROM smsgate.text WHERE campaign = :campaign AND id = :id;

-- name: stop
-- Abandon claimed recipients that are on the stop list. Their state is 'pending' until it is known.
UPDATE smsgate.recipient SET state = :target, reason = :reason
WHERE campaign = :campaign AND id = ANY(CAST(:ids AS bigint[])) AND state = :source;

-- name: shrink_request
-- Take recipients that are on the stop list out of a claimed request.
UPDATE smsgate.request SET size = size - :gone, abandoned = abandoned + :gone
WHERE campaign = :campaign AND id = :request;

-- name: empty_request
-- End a claimed request without recipients: it never leaves.
UPDATE smsgate.request SET state = 'settled', size = 0, abandoned = abandoned + :gone, token = NULL,
    claimed_at = NULL, lease_until = NULL, attempts = attempts - 1
WHERE campaign = :campaign AND id = :request;

-- name: add_stopped
-- Record when recipients were found on the stop list.
INSERT INTO smsgate.stopped (campaign, at, recipients)
VALUES (:campaign, smsgate.now(), :recipients);

-- name: stopped
-- When recipients were found on the stop list.
SELECT at, recipients FROM smsgate.stopped WHERE campaign = :campaign ORDER BY at;

-- name: stop_lists
-- The stop lists of the campaign.
SELECT stop_lists FROM smsgate.campaign WHERE id = :campaign;

-- name: stop_lists_to_change
-- The stop lists of the campaign, which nobody else may change before the commit.
SELECT stop_lists FROM smsgate.campaign WHERE id = :campaign FOR UPDATE;

-- name: set_stop_lists
-- Record the stop lists of the campaign.
UPDATE smsgate.campaign SET stop_lists = :places WHERE id = :campaign;

-- name: sending_window
-- When the campaign may send.
SELECT sending_window FROM smsgate.campaign WHERE id = :campaign;

-- name: sending_window_to_change
-- When the campaign may send, which nobody else may change before the commit.
SELECT sending_window FROM smsgate.campaign WHERE id = :campaign FOR UPDATE;

-- name: set_sending_window
-- Store when the campaign may send.
UPDATE smsgate.campaign SET sending_window = :stored WHERE id = :campaign;

-- name: planned_numbers
-- How the numbers of all recipients begin.
SELECT number_groups FROM smsgate.campaign WHERE id = :campaign;

-- name: set_planned_numbers
-- Record how the numbers of all recipients begin.
UPDATE smsgate.campaign SET number_groups = :stored WHERE id = :campaign;

-- name: pending_numbers
-- Recipients that are pending or in flight, by the beginnings of their numbers and parts.
SELECT left(number, least(7, length(number) - 4)), parts, count(*), min(number)
FROM smsgate.recipient WHERE campaign = :campaign AND state = 'pending' GROUP BY 1, 2;

-- name: numbers_in_flight
-- Recipients that are in flight, alike. OFFSET keeps the planner from reading all recipients.
SELECT left(one.number, least(7, length(one.number) - 4)), one.parts, count(*)
FROM smsgate.request CROSS JOIN LATERAL (
    SELECT number, parts FROM smsgate.recipient
    WHERE campaign = :campaign AND id BETWEEN request.first AND request.last AND state = 'pending'
    OFFSET 0
) AS one
WHERE request.campaign = :campaign AND request.state = 'in flight' GROUP BY 1, 2;

-- name: held
-- The claimed request of a token.
SELECT id, text, first, last, size, alone, attempts FROM smsgate.request
WHERE campaign = :campaign AND token = :token AND state = 'in flight' FOR UPDATE;

-- name: release
-- Return a claim with which nothing was sent.
UPDATE smsgate.request SET state = 'pending', token = NULL, attempts = attempts - 1
WHERE campaign = :campaign AND token = :token AND state = 'in flight';

-- name: settle_request
-- Record the outcome of a request in flight, if nobody else has decided about it since.
UPDATE smsgate.request SET state = 'settled', settled_at = smsgate.now(), accepted = :accepted,
    refused = :refused, in_doubt = :in_doubt, reason = :reason, status = :status, reply = :reply
WHERE campaign = :campaign AND id = :request AND token = :token AND state = 'in flight'
RETURNING id;

-- name: settle
-- Record the outcomes of the recipients of a request in flight.
UPDATE smsgate.recipient AS one SET state = given.state, message_id = given.message_id,
    reason = given.reason, request = :request, attempts = :attempts
FROM unnest(
    CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:message_ids AS text[]),
    CAST(:reasons AS text[])
) AS given (id, state, message_id, reason)
WHERE one.campaign = :campaign AND one.id = given.id AND one.state = 'pending'
RETURNING one.id;

-- name: settle_late
-- Record late outcomes of recipients that are still in doubt because of this request.
UPDATE smsgate.recipient AS one SET state = given.state, message_id = given.message_id,
    reason = given.reason
FROM unnest(
    CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:message_ids AS text[]),
    CAST(:reasons AS text[])
) AS given (id, state, message_id, reason)
WHERE one.campaign = :campaign AND one.id = given.id AND one.state = 'in doubt'
AND one.request = :request RETURNING one.state;

-- name: recorded
-- How many of these outcomes are recorded with this request.
SELECT count(*) FROM smsgate.recipient AS one
JOIN unnest(CAST(:ids AS bigint[]), CAST(:states AS text[])) AS given (id, state)
    ON one.id = given.id AND one.state = given.state
WHERE one.campaign = :campaign AND one.request = :request;

-- name: settle_request_late
-- Count late outcomes, and keep what the late answer said.
UPDATE smsgate.request SET accepted = accepted + :accepted, refused = refused + :refused,
    in_doubt = in_doubt - :accepted - :refused, reason = coalesce(:reason, reason),
    status = coalesce(:status, status), reply = coalesce(:reply, reply)
WHERE campaign = :campaign AND id = :request;

-- name: found_request
-- The token and the state of a request, and what a recipient that returns to pending needs.
SELECT token, state, text, attempts FROM smsgate.request WHERE campaign = :campaign AND id = :request FOR UPDATE;

-- name: add_pending
-- Pending requests for recipients that were proven not to be sent to, or that an operator resends.
INSERT INTO smsgate.request (campaign, id, text, first, last, size, alone, attempts, state)
SELECT :campaign, nextval('smsgate.request_id_' || :campaign), piece.text, piece.first, piece.last,
    piece.last - piece.first + 1, :alone, :attempts, 'pending'
FROM unnest(CAST(:texts AS bigint[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
    AS piece (text, first, last);

-- name: forget_text
-- Delete a text if no recipient needs it any more.
UPDATE smsgate.text AS one SET body = NULL, wappush = NULL
WHERE campaign = :campaign AND id = :text AND NOT EXISTS (
    SELECT 1 FROM smsgate.request WHERE campaign = :campaign AND request.text = :text
    AND (state IN ('pending', 'in flight') OR in_doubt > 0)
);

-- name: forget_texts
-- Delete every text that no recipient needs any more.
UPDATE smsgate.text AS one SET body = NULL, wappush = NULL
WHERE campaign = :campaign AND (body IS NOT NULL OR wappush IS NOT NULL) AND NOT EXISTS (
    SELECT 1 FROM smsgate.request WHERE campaign = :campaign AND request.text = one.id
    AND (state IN ('pending', 'in flight') OR in_doubt > 0)
);

-- name: sweep_requests
-- Move requests whose lease has passed to in doubt. One that is locked is being settled at this
-- moment, or by a machine that has just died: it is swept later.
UPDATE smsgate.request SET state = 'in doubt', settled_at = smsgate.now(), in_doubt = size,
    reason = :reason
WHERE campaign = :campaign AND id IN (
    SELECT id FROM smsgate.request
    WHERE campaign = :campaign AND state = 'in flight' AND lease_until < smsgate.now()
    FOR UPDATE SKIP LOCKED
)
RETURNING id, first, last, attempts;

-- name: sweep
-- Move the recipients of one such request to in doubt. A join with the requests could read all
-- recipients: the planner cannot know how short the ranges are.
UPDATE smsgate.recipient SET state = :target, reason = :reason, request = :request,
    attempts = :attempts
WHERE campaign = :campaign AND id BETWEEN :first AND :last AND state = 'pending' RETURNING id;

-- name: overdue
-- Whether a lease has passed.
SELECT 1 FROM smsgate.request
WHERE campaign = :campaign AND state = 'in flight' AND lease_until < smsgate.now() LIMIT 1;

-- name: set_rate
-- Set the rate limit of all machines.
INSERT INTO smsgate.pace (campaign, per_second) VALUES (:campaign, CAST(:rate AS float8))
ON CONFLICT (campaign) DO UPDATE SET per_second = excluded.per_second, due_at = 0;

-- name: unset_rate
-- Remove the rate limit.
DELETE FROM smsgate.pace WHERE campaign = :campaign;

-- name: rate
-- The rate limit.
SELECT per_second FROM smsgate.pace WHERE campaign = :campaign;

-- name: reserve
-- Reserve time for the next request: its number of recipients, and the seconds to wait.
WITH next AS (
    SELECT least(:most, size) AS most FROM smsgate.request
    WHERE campaign = :campaign AND state = 'pending' ORDER BY alone, id LIMIT 1
)
UPDATE smsgate.pace SET due_at = greatest(due_at, smsgate.now())
    + least(next.most, greatest(floor(per_second), 1)) / per_second
FROM next WHERE campaign = :campaign
RETURNING CAST(least(next.most, greatest(floor(per_second), 1)) AS integer),
    due_at - smsgate.now() - least(next.most, greatest(floor(per_second), 1)) / per_second;

-- name: process
-- The process of the server that this connection has.
SELECT pg_backend_pid();

-- name: take_slot
-- Lock one of the slots of an account that no connection has locked. Locks of one connection do not
-- exclude each other, so those held are left out.
SELECT number FROM generate_series(1, CAST(:most AS integer)) AS number
WHERE number <> ALL(CAST(:held AS integer[]))
AND pg_try_advisory_lock(CAST(:account AS integer), number) LIMIT 1;

-- name: free_slot
-- Unlock a slot, unless its connection has ended.
SELECT pg_advisory_unlock(CAST(:account AS integer), CAST(:number AS integer))
WHERE pg_backend_pid() = :process;

-- name: set_evidence
-- Store evidence with a request in doubt.
UPDATE smsgate.request SET evidence = :evidence WHERE campaign = :campaign AND id = :request;

-- name: around
-- The balance before a request, the cost of messages accepted since, and the number of requests
-- that overlap with it, or are in doubt since that balance.
SELECT one.balance, one.balance_at, (
    SELECT coalesce(sum(later.accepted * text.parts), 0)
    FROM smsgate.request AS later
    JOIN smsgate.text ON text.campaign = later.campaign AND text.id = later.text
    WHERE later.campaign = :campaign
    AND later.settled_at BETWEEN one.balance_at AND CAST(:until AS float8)
), (
    SELECT count(*) FROM smsgate.request AS other
    WHERE other.campaign = :campaign AND other.id <> one.id AND other.claimed_at IS NOT NULL
    AND (other.settled_at IS NULL OR other.settled_at > one.claimed_at)
    AND (one.settled_at IS NULL OR other.claimed_at < one.settled_at)
    OR other.campaign = :campaign AND other.id <> one.id AND other.in_doubt > 0
    AND other.settled_at > one.balance_at AND other.claimed_at < CAST(:until AS float8)
)
FROM smsgate.request AS one WHERE one.campaign = :campaign AND one.id = :request;

-- name: without_evidence
-- Requests with recipients in doubt and no evidence, oldest first.
SELECT id FROM smsgate.request
WHERE campaign = :campaign AND in_doubt > 0 AND evidence IS NULL ORDER BY id;

-- name: now
-- The server's time, in seconds since 1970.
SELECT smsgate.now();

-- name: known_ids
-- The recorded ones of these message ids. Reads all recipients: an index would slow down sending.
SELECT message_id FROM smsgate.recipient
WHERE campaign = :campaign AND message_id = ANY(CAST(:ids AS text[]));

-- name: start_run
-- Record the start of a run.
INSERT INTO smsgate.run (campaign, machine, started_at) VALUES (:campaign, :machine, smsgate.now())
RETURNING id;

-- name: end_run
-- Record how a run ended.
UPDATE smsgate.run SET ended_at = smsgate.now(), outcome = :outcome WHERE id = :run;

-- name: runs
-- All runs.
SELECT id, started_at, ended_at, outcome FROM smsgate.run WHERE campaign = :campaign
ORDER BY id;

-- name: ids_of_lines
-- The recipients of a range of lines. Reads all recipients, but is rarely used.
SELECT id FROM smsgate.recipient
WHERE campaign = :campaign AND line BETWEEN :first_line AND :last_line;

-- name: lock_in_doubt
-- The requests in doubt that a decision concerns, with the range of their recipients.
SELECT id, first, last, attempts FROM smsgate.request
WHERE campaign = :campaign AND in_doubt > 0 AND (CAST(:request AS bigint) IS NULL OR id = :request)
AND EXISTS (
    SELECT 1 FROM unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) AS chosen (low, high)
    WHERE chosen.low <= request.last AND chosen.high >= request.first
)
ORDER BY id FOR UPDATE;

-- name: chosen_in_doubt
-- The recipients in doubt of ranges. OFFSET keeps the planner from a join, which would read all
-- recipients, since it cannot know how short the ranges are.
SELECT one.id, one.text, piece.request, piece.attempts
FROM unnest(CAST(:requests AS bigint[]), CAST(:lows AS bigint[]), CAST(:highs AS bigint[]),
    CAST(:attempts AS integer[])) AS piece (request, low, high, attempts)
CROSS JOIN LATERAL (
    SELECT id, text FROM smsgate.recipient
    WHERE campaign = :campaign AND id BETWEEN piece.low AND piece.high AND state = :source
    AND recipient.request = piece.request OFFSET 0
) AS one
ORDER BY one.id;

-- name: resolve
-- Apply the operator's decision to recipients.
UPDATE smsgate.recipient SET state = :target, reason = :reason,
    message_id = coalesce(CAST(:message_id AS text), message_id),
    request = CASE WHEN :target = 'pending' THEN NULL ELSE request END
WHERE campaign = :campaign AND id = ANY(CAST(:ids AS bigint[]));

-- name: count_decision
-- Count what an operator decided about the recipients in doubt of requests, in one of the columns.
UPDATE smsgate.request SET in_doubt = in_doubt - piece.count,
    accepted = accepted + piece.count * CAST(:accepted AS integer),
    assumed_sent = assumed_sent + piece.count * CAST(:assumed_sent AS integer),
    abandoned = abandoned + piece.count * CAST(:abandoned AS integer)
FROM unnest(CAST(:requests AS bigint[]), CAST(:counts AS integer[])) AS piece (request, count)
WHERE campaign = :campaign AND id = piece.request;

-- name: lock_pending
-- The pending requests that a decision concerns.
SELECT id, text, first, last, alone, attempts FROM smsgate.request
WHERE campaign = :campaign AND state = 'pending'
AND (CAST(:request AS bigint) IS NULL OR id = :request)
AND EXISTS (
    SELECT 1 FROM unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) AS chosen (low, high)
    WHERE chosen.low <= request.last AND chosen.high >= request.first
)
ORDER BY id FOR UPDATE;

-- name: cancel_requests
-- Cancel pending requests, or the recipients that they are cut down to.
UPDATE smsgate.request SET state = 'settled', first = piece.low, last = piece.high,
    size = piece.high - piece.low + 1, abandoned = piece.high - piece.low + 1
FROM unnest(CAST(:requests AS bigint[]), CAST(:lows AS bigint[]), CAST(:highs AS bigint[]))
    AS piece (request, low, high)
WHERE campaign = :campaign AND id = piece.request;

-- name: add_cancelled
-- Cancelled recipients of a pending request that was cut into several pieces.
INSERT INTO smsgate.request (campaign, id, text, first, last, size, abandoned, state)
SELECT :campaign, nextval('smsgate.request_id_' || :campaign), piece.text, piece.low, piece.high,
    piece.high - piece.low + 1, piece.high - piece.low + 1, 'settled'
FROM unnest(CAST(:texts AS bigint[]), CAST(:lows AS bigint[]), CAST(:highs AS bigint[]))
    AS piece (text, low, high);

-- name: cancel
-- Cancel the recipients of a range.
UPDATE smsgate.recipient SET state = :target, reason = :reason
WHERE campaign = :campaign AND id BETWEEN :first AND :last RETURNING id;

-- name: find_id
-- The line of the recipient with a message id. Reads all recipients, but is rarely used.
SELECT line FROM smsgate.recipient WHERE campaign = :campaign AND message_id = :message_id LIMIT 1;

-- name: add_decision
-- Record an operator's decision.
INSERT INTO smsgate.campaign_decision (campaign, at, who, event, note, request, line, recipients)
VALUES (:campaign, smsgate.now(), :who, :event, :note, :request, :line, :recipients);

-- name: decision_since
-- How many recipients a decision changed that was recorded after a time.
SELECT recipients FROM smsgate.campaign_decision
WHERE campaign = :campaign AND at >= CAST(:since AS float8) AND who = :who AND event = :event
AND note = :note AND request IS NOT DISTINCT FROM CAST(:request AS bigint)
AND line IS NOT DISTINCT FROM CAST(:line AS bigint) ORDER BY id DESC LIMIT 1;

-- name: decisions
-- All decisions of operators, oldest first.
SELECT at, who, event, note, request, line, recipients FROM smsgate.campaign_decision
WHERE campaign = :campaign ORDER BY id;

-- name: states
-- How many recipients are in each state.
SELECT (SELECT skipped FROM smsgate.campaign WHERE id = :campaign),
    coalesce(sum(size) FILTER (WHERE state = 'pending'), 0),
    coalesce(sum(size) FILTER (WHERE state = 'in flight'), 0),
    coalesce(sum(accepted), 0), coalesce(sum(refused), 0), coalesce(sum(in_doubt), 0),
    coalesce(sum(assumed_sent), 0), coalesce(sum(abandoned), 0)
FROM smsgate.request WHERE campaign = :campaign;

-- name: counted
-- Recipients by all that a report counts, in one reading of the table.
SELECT state, CASE WHEN state IN ('skipped', 'refused', 'in doubt', 'abandoned') THEN coalesce(reason, '')
    ELSE '' END, coalesce(delivery, ''), parts, alphabet, count(*)
FROM smsgate.recipient WHERE campaign = :campaign GROUP BY 1, 2, 3, 4, 5;

-- name: in_flight
-- The ranges of recipients that are in flight, with the parts of their text.
SELECT request.first, request.last, request.id, request.attempts, text.parts, request.size
FROM smsgate.request
JOIN smsgate.text ON text.campaign = request.campaign AND text.id = request.text
WHERE request.campaign = :campaign AND request.state = 'in flight' ORDER BY request.first;

-- name: texts
-- How many texts there are.
SELECT count(*) FROM smsgate.text WHERE campaign = :campaign;

-- name: forced_by
-- The characters that forced texts into UCS-2.
SELECT forced_by, count(*) FROM smsgate.text WHERE campaign = :campaign AND forced_by <> ''
GROUP BY forced_by ORDER BY count(*) DESC LIMIT 100;

-- name: example
-- The longest text, as an example, and the number of one of its recipients.
SELECT sender, body, wappush, (
    SELECT number FROM smsgate.recipient AS one JOIN smsgate.request AS used
    ON used.campaign = one.campaign AND one.id = used.first
    WHERE used.campaign = :campaign AND used.text = longest.id AND one.campaign = :campaign LIMIT 1
)
FROM (
    SELECT * FROM smsgate.text
    WHERE campaign = :campaign AND (body IS NOT NULL OR wappush IS NOT NULL)
    ORDER BY parts DESC, id LIMIT 1
) AS longest;

-- name: requests_in_doubt
-- Requests with recipients in doubt, oldest first.
SELECT request.id, coalesce(request.claimed_at, request.settled_at), request.settled_at,
    request.size, request.reason,
    request.status, length(request.reply), request.evidence, text.parts, request.in_doubt
FROM smsgate.request
JOIN smsgate.text ON text.campaign = request.campaign AND text.id = request.text
WHERE request.campaign = :campaign AND request.in_doubt > 0 ORDER BY request.id;

-- name: recipients_in_doubt
-- The recipients in doubt of one request. A join would read all recipients.
SELECT line, number, reason FROM smsgate.recipient
WHERE campaign = :campaign AND state = 'in doubt' AND request = :request
AND id >= (SELECT first FROM smsgate.request WHERE campaign = :campaign AND id = :request)
AND id <= (SELECT last FROM smsgate.request WHERE campaign = :campaign AND id = :request)
ORDER BY id;

-- name: reply
-- The stored raw reply of a request.
SELECT reply FROM smsgate.request WHERE campaign = :campaign AND id = :request;

-- name: span
-- The times of the first claim and the last answer, and the number of requests that were claimed.
SELECT min(claimed_at), max(settled_at), count(*) FROM smsgate.request
WHERE campaign = :campaign AND claimed_at IS NOT NULL;

-- name: timeline_of_outcomes
-- Outcomes by time slot.
SELECT greatest(CAST(trunc((settled_at - CAST(:start AS float8)) / CAST(:step AS float8))
    AS integer), 0) AS slot,
    sum(accepted), sum(refused), sum(in_doubt)
FROM smsgate.request WHERE campaign = :campaign AND settled_at IS NOT NULL
AND claimed_at IS NOT NULL
GROUP BY slot ORDER BY slot;

-- name: to_ask
-- Messages due for a status check. A check in the future means that the clock was set back.
SELECT id, message_id FROM smsgate.recipient
WHERE campaign = :campaign AND state = 'accepted' AND delivery_final = 0
AND message_id IS NOT NULL
AND (asked_at IS NULL OR asked_at <= smsgate.now() - CAST(:again AS float8)
    OR asked_at > smsgate.now())
ORDER BY asked_at NULLS FIRST, id LIMIT :most;

-- name: next_ask
-- How many statuses are not final, and the seconds since the least recent check.
SELECT count(*), smsgate.now() - coalesce(min(coalesce(asked_at, 0)), 0) FROM smsgate.recipient
WHERE campaign = :campaign AND state = 'accepted' AND delivery_final = 0
AND message_id IS NOT NULL;

-- name: set_delivery
-- Record a delivery status.
UPDATE smsgate.recipient SET delivery = :delivery, delivery_final = :final, asked_at = smsgate.now()
WHERE campaign = :campaign AND id = :id AND state = 'accepted';

-- name: note_asked
-- Record a failed status check.
UPDATE smsgate.recipient SET asked_at = smsgate.now()
WHERE campaign = :campaign AND id = :id AND state = 'accepted';

-- name: recipients
-- All recipients, in the order of the list.
SELECT one.id, one.line, coalesce(one.number, one.given), one.state, one.reason, one.message_id,
    one.delivery, one.request, one.attempts, text.sender, one.parts, one.kept
FROM smsgate.recipient AS one
LEFT JOIN smsgate.text ON text.campaign = :campaign AND text.id = one.text
WHERE one.campaign = :campaign ORDER BY one.line;

-- name: kept_columns
-- The columns of the list that the campaign has kept.
SELECT kept_columns FROM smsgate.campaign WHERE id = :campaign;

-- name: senders_of_texts
-- The senders, without reading the recipients.
SELECT sender, count(*) FROM smsgate.text WHERE campaign = :campaign GROUP BY sender;

-- name: senders
-- How many recipients have each sender.
SELECT text.sender, count(*) FROM smsgate.recipient AS one
JOIN smsgate.text ON text.campaign = :campaign AND text.id = one.text
WHERE one.campaign = :campaign GROUP BY text.sender ORDER BY count(*) DESC;

-- name: last_recipient
-- The last key of a recipient.
SELECT coalesce(max(id), 0) FROM smsgate.recipient WHERE campaign = :campaign;

-- name: samples
-- Recipients whose number and text are still there, from a key on.
SELECT one.id, one.line, one.number, text.sender, text.body, text.wappush, text.parts,
    text.alphabet, text.forced_by
FROM smsgate.recipient AS one
JOIN smsgate.text ON text.campaign = :campaign AND text.id = one.text
WHERE one.campaign = :campaign AND one.id >= :id AND one.number IS NOT NULL
AND (CAST(:line AS bigint) IS NULL OR one.line = :line)
AND (text.body IS NOT NULL OR text.wappush IS NOT NULL)
ORDER BY one.id LIMIT :most;

-- name: purge_requests
-- Delete replies and evidence, since replies quote numbers.
UPDATE smsgate.request SET reply = NULL, evidence = NULL
WHERE campaign = :campaign AND (reply IS NOT NULL OR evidence IS NOT NULL);

-- name: purge_decisions
-- Delete the notes of decisions, which may name people.
UPDATE smsgate.campaign_decision SET note = '' WHERE campaign = :campaign;

-- name: set_purged
-- Record the purge, and what a report counts.
UPDATE smsgate.campaign SET purged_at = smsgate.now(), counted = :counted WHERE id = :campaign;
