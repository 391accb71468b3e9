"""Benchmarks: Stocky beside yardsticks, measured in one run; nothing here asserts a time."""
