"""Logging: the log in memory, its live tail, and the audit trail."""
