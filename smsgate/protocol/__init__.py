"""The gateway's protocol as pure functions: bytes in, values out. No I/O, clock or event loop."""
