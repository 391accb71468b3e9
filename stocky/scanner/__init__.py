"""Barcode scanners: a scan's effect depends on its scanner's mode and location."""
