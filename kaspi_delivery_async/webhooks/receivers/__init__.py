"""Receivers of webhooks, one module for each web framework."""
