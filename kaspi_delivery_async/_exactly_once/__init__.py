"""Exactly one courier for each order: decisions, states and leases that bulk runs and the outbox share."""
