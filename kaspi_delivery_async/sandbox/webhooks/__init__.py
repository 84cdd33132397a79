"""Webhooks as the sandbox sends them."""
