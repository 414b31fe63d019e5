"""The ledger in an SQLite file: write-ahead log, every commit synced, one run at a time."""
