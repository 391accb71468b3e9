"""Shopping lists: an item or a text is on a list at most once, and every change is logged."""
