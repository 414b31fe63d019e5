"""The ledger in PostgreSQL, for several machines. Needs the extra `postgres`."""
