"""Imports of CSV files: read, planned row by row, applied, and rolled back."""
