"""Backup and restore. A verified backup was restored once; a restore replaces all data or changes nothing."""
