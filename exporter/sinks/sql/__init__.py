"""The exact log and the roll-ups in SQLite or PostgreSQL: one schema, one set of statements, two dialects."""
