"""The protocol of the gateway, pure: bytes in, values out. No I/O, no clock, no event loop."""
