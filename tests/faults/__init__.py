"""What `make faults` does to a Stocky: kills, full disks, lost databases and storms; and what must be there after."""
