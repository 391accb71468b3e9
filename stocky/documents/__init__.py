"""Documents of items: PDFs, pictures and links."""
