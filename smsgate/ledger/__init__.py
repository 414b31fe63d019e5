"""What must not be lost when a process ends: the state of each recipient, written before the request leaves.

`states` is the life of a recipient as a table, `records` what is written down, `contract` what every ledger promises, and
`sqlite` the ledger in a file. No I/O here, and no import: what is used is imported by its own name.
"""
