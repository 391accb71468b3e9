-- Monitoring on SQLite.

-- get_database_size --
-- The bytes of the database file, without what is still in the write-ahead log alone.
SELECT pages.page_count * sizes.page_size FROM pragma_page_count() AS pages, pragma_page_size() AS sizes;
