"""The wire format: text and JSON to values and back. Pure functions; no I/O, no clock, no aiohttp."""
