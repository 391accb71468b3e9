"""Pages for people: HTML made on the server from the same services as the API; they hold no rules of their own."""
