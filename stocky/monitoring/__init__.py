"""Whether Stocky is well: health and metrics."""
