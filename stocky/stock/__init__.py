"""Stock: SKUs and the append-only ledger whose sums they are."""
