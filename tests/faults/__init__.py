"""The scripts of `make faults`: kills, full disks, lost databases and load, and the checks after each."""
