"""Search: finds items by all their text, also for misspelt words, best matches first."""
