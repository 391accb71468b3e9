"""Barcodes: the key by which two forms of one number are equal, and the contents of GS1 codes."""
