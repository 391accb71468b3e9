"""The dump: a snapshot of a database as SQL text. SQLite and Postgres write equal rows as equal lines."""
