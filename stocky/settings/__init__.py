"""Settings that administrators change while Stocky runs; what a process needs to start is in the environment."""
