"""Jobs: durable background work with progress; each runs in one process at a time."""
