"""The archive: a zip of a dump, documents, settings and metadata. Reading accepts only known, bounded members."""
