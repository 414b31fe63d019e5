"""The durable record of a campaign: each recipient's state, written before its request leaves.

`states` is the table of a recipient's states and transitions, `records` the values that a ledger
stores and returns, `contract` the interface of every ledger, and `sqlite` the ledger in a file.
This module does no I/O and imports nothing: import each submodule by its own name.
"""
