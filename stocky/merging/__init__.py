"""Merges duplicate items, and undoes a merge within a day; the ledger keeps the history of both."""
