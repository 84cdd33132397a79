"""SQLite and PostgreSQL for the inbox, the journal and the outbox."""
