"""The ledger in a file: SQLite with a log, synced at every step, for one run at a time."""
