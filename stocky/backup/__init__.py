"""Backup and restore: what is called good has been restored once, and a restore is whole or did not happen."""
