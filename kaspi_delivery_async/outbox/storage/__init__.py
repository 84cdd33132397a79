"""The tables of the outbox in the shop's own database."""
