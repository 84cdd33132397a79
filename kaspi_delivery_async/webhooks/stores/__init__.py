"""Stores of webhook events: in memory, SQLite, PostgreSQL."""
