"""Boxes: numbered sets of locations, which are created and hidden with their box."""
