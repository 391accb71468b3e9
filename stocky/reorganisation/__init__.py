"""Reorganisation: proposals of moves that put like with like and empty boxes, each applied once at most."""
