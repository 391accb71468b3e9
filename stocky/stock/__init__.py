"""Stock: SKUs, and the append-only ledger; a SKU's quantity is the sum of its events."""
