"""One module for each group of pages, found by `routes`: its `routes` are its handlers, which hold no SQL."""
