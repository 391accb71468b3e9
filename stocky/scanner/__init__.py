"""Barcode scanners: what a scan means in the state its scanner is in."""
