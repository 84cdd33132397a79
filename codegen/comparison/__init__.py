"""Comparing two descriptions."""
