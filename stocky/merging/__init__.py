"""Items that turn out to be one thing: merged, and given back within a day; the ledger keeps what was true."""
