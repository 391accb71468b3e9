"""Reorganisation: plans of moves that group like items and empty boxes, each applied at most once."""
