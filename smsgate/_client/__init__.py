"""The machine room of `AsyncSession`: logins, connections, deadlines, repeats, and the proof whether anything left.

Private: nothing outside this package of smsgate imports it, and any of it may change.
"""
