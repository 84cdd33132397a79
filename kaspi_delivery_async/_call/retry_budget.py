"""Retry budget: a token bucket that ends retry storms; one for each API key and host."""

from __future__ import annotations

FULL_BUDGET = 500


RETRY_COST = 5


TIMEOUT_COST = 10


SUCCESS_GAIN = 1
"""Tokens of the retry budget: one retry in six calls can be kept up for ever, a storm ends after a hundred."""
