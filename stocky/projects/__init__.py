"""Projects: what something takes, what of it is missing, and its withdrawal from stock as a whole."""
