"""Boxes: numbered sets of locations, whose places come and go with the box."""
