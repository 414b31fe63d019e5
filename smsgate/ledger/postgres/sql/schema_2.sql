-- Campaigns. The state of a send stands in one row per request, whose recipients are a range of ids:
-- a claim changes one row, not one row per recipient. Each campaign has partitions of its own, so
-- that a purge can drop them.

CREATE TABLE smsgate.campaign (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    state text NOT NULL,
    why text NOT NULL DEFAULT '',
    forget_texts integer NOT NULL,
    skipped bigint NOT NULL DEFAULT 0,
    created_at double precision NOT NULL,
    purged_at double precision,
    counted text
);

-- The rate limit of a campaign, which all machines share. No row means no limit.
CREATE TABLE smsgate.pace (
    campaign bigint PRIMARY KEY REFERENCES smsgate.campaign (id) ON DELETE CASCADE,
    per_second double precision NOT NULL,
    due_at double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE smsgate.text (
    campaign bigint NOT NULL,
    id bigint NOT NULL,
    sender text NOT NULL,
    body text,
    wappush text,
    parts integer NOT NULL,
    alphabet text NOT NULL,
    forced_by text NOT NULL,
    PRIMARY KEY (campaign, id)
) PARTITION BY LIST (campaign);

-- The state of a recipient of a request that is pending or in flight is 'pending' here. No index may
-- use the state: PostgreSQL would then write each index for each recipient.
CREATE TABLE smsgate.recipient (
    campaign bigint NOT NULL,
    id bigint NOT NULL,
    line bigint NOT NULL,
    number text,
    given text,
    text bigint,
    parts integer,
    alphabet text,
    state text NOT NULL,
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    request bigint,
    message_id text,
    delivery text,
    delivery_final integer NOT NULL DEFAULT 0,
    asked_at double precision,
    PRIMARY KEY (campaign, id)
) PARTITION BY LIST (campaign);

-- `state` is pending, in flight, in doubt (the lease has passed) or settled. The counts say what
-- became of its recipients; those that went back to pending are in another request.
CREATE TABLE smsgate.request (
    campaign bigint NOT NULL,
    id bigint NOT NULL,
    text bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    size integer NOT NULL,
    alone integer NOT NULL DEFAULT 0,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    token text,
    run bigint,
    claimed_at double precision,
    lease_until double precision,
    settled_at double precision,
    accepted integer NOT NULL DEFAULT 0,
    refused integer NOT NULL DEFAULT 0,
    in_doubt integer NOT NULL DEFAULT 0,
    assumed_sent integer NOT NULL DEFAULT 0,
    abandoned integer NOT NULL DEFAULT 0,
    reason text,
    status integer,
    reply bytea,
    evidence text,
    balance text,
    balance_at double precision,
    PRIMARY KEY (campaign, id)
) PARTITION BY LIST (campaign);

CREATE INDEX request_pending ON smsgate.request (alone, id) WHERE state = 'pending';

CREATE INDEX request_in_flight ON smsgate.request (lease_until) WHERE state = 'in flight';

CREATE INDEX request_in_doubt ON smsgate.request (id) WHERE in_doubt > 0;

CREATE INDEX request_text ON smsgate.request (text);

-- A claim that arrives twice, after its connection was lost, fails here the second time.
CREATE UNIQUE INDEX request_token ON smsgate.request (campaign, token);

CREATE TABLE smsgate.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign bigint NOT NULL REFERENCES smsgate.campaign (id) ON DELETE CASCADE,
    machine text NOT NULL,
    started_at double precision NOT NULL,
    ended_at double precision,
    outcome text
);

-- Decisions of operators about recipients. A decision is never changed afterwards, except that a
-- purge deletes its note.
CREATE TABLE smsgate.campaign_decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign bigint NOT NULL REFERENCES smsgate.campaign (id) ON DELETE CASCADE,
    at double precision NOT NULL,
    who text NOT NULL,
    event text NOT NULL,
    note text NOT NULL,
    request bigint,
    line bigint,
    recipients bigint NOT NULL
);

-- Seconds since 1970, by the server's clock, which all machines share.
CREATE FUNCTION smsgate.now() RETURNS double precision LANGUAGE sql AS
$$ SELECT extract(epoch FROM clock_timestamp())::double precision $$;

-- Whether no standby took over since an operator last accepted that.
CREATE FUNCTION smsgate.on_known_timeline() RETURNS boolean LANGUAGE sql AS
$$ SELECT value = substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
   FROM smsgate.setting WHERE name = 'timeline' $$;
