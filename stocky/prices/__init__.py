"""What was paid for stock, and what the stock is worth by it."""
