"""Looks up the products of barcodes with an external service."""
