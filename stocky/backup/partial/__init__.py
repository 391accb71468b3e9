"""The partial import's last step: rows join the live data in one transaction, all of them or none."""
