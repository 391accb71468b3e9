"""The full restore's last step: a proven scratch database takes the place of the live data in one moment."""
