"""Exports of items, stock and events as CSV."""
