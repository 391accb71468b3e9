"""Documents: PDFs, pictures and links on items."""
