"""The last step of a full restore: replaces the live data by a checked scratch database, in one transaction."""
