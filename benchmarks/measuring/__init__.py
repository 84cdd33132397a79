"""Rounds, instruction counts, charts and limits."""
