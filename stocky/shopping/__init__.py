"""Shopping lists: what is to be bought; an item or a text stands on a list once, and every change is in its log."""
