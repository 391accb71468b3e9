"""Live updates: streams of new ledger events, from any position, without missing an event."""
