"""The inner parts of `AsyncSession`: gateway sessions, connections, deadlines and retries, and the
proof whether a request left.

Private: any of it may change.
"""
