"""Encrypted backups: files in the age format, made while a backup is written and decrypted before it is read."""
