-- name: server
-- The settings of the server, and whether it is a standby.
SELECT current_setting('server_version'), pg_is_in_recovery(),
    current_setting('synchronous_commit'), current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('synchronous_standby_names');

-- name: tables
-- Whether the outbox has tables.
SELECT to_regclass('smsgate.setting') IS NOT NULL;
