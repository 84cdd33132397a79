"""Enqueueing in the shop's own transaction, whichever library runs it."""
