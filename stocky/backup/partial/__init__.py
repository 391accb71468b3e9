"""The last step of a partial import: adds all rows to the live data in one transaction, or none."""
