"""`outbox`: status, list, withdraw, relay, reconcile, prune."""
