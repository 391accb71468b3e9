"""Everything between a socket and a handler: middleware, parsing, uploads, streams, error responses."""
