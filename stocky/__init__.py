"""Stocky: a self-hosted inventory service whose scans are never lost and never counted twice."""

__version__ = "0.1.0"
