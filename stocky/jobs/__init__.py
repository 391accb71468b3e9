"""Jobs: what takes longer than a request, durable, visible, and done once however many processes there are."""
