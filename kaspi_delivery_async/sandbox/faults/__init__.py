"""Faults of the sandbox, on request."""
