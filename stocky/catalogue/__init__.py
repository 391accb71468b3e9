"""What things are and where they can be: items with their barcodes, and locations."""
