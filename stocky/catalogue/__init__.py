"""The catalogue: items with their barcodes, types and tags, and locations."""
