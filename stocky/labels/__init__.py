"""Sheets of labels for items, locations and scanner commands, in millimetres, as SVG and PDF."""
