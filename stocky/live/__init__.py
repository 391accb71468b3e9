"""Live updates: the ledger as it grows, followed from any position without missing an event."""
