"""The ``kaspi-delivery webhooks`` commands."""
