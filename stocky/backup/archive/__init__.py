"""The archive: a zip of a dump, the documents and what describes both; read with known names only, and bounded."""
