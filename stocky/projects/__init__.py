"""Projects: the parts they need, the parts that are missing, and their withdrawal from stock as a whole."""
