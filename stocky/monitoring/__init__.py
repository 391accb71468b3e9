"""Monitoring: health, metrics and the clock watch."""
