"""Alerts about stock and the service; at most one active alert per cause."""
