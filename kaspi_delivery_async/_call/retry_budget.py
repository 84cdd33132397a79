"""Retry budget: a token bucket that ends retry storms; one for each API key and host."""

from __future__ import annotations

import attrs

FULL_BUDGET = 500

RETRY_COST = 5

TIMEOUT_COST = 10

SUCCESS_GAIN = 1


@attrs.define
class RetryBudget:
    """Tokens that retries cost and successes earn: a storm ends after a hundred retries in vain."""

    tokens: float = FULL_BUDGET

    def affords(self, cost: int) -> bool:
        """Whether the tokens pay for a retry."""
        return self.tokens >= cost

    def spend(self, cost: int) -> None:
        """Account for a retry."""
        self.tokens -= cost

    def earn(self, tokens: int = SUCCESS_GAIN) -> None:
        """Account for a success, or give back what a retry had cost that led to one."""
        self.tokens = min(FULL_BUDGET, self.tokens + tokens)
