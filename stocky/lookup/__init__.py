"""Looking up what a barcode is, with a service that knows products."""
