-- On Postgres, a lock that says who may have taken a number; SQLite has one writer, and needs none.
-- depends: 0016.measures

SELECT 1;
