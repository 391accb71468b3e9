"""Tables to and from spreadsheets: items and stock as CSV that goes out as it comes in again, and the ledger."""
