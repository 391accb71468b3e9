"""The dump: one moment of a database as SQL text, the same rows as the same lines from SQLite and from Postgres."""
