"""Imports of CSV files: parsed, planned row by row, applied, and rolled back on failure."""
