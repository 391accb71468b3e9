"""One search box: what was typed, also misspelt, finds items by all that is written about them, best first."""
