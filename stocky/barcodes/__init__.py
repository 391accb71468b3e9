"""Barcodes as numbers and as texts: what makes two of them the same, and what a GS1 code says beside its number."""
