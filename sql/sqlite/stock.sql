-- reserve_event_ids --
-- :count ids after the last one; SQLite's one writer assigns them.
WITH RECURSIVE following (id, remaining) AS (
    SELECT (SELECT coalesce(max(id), 0) FROM stock_event) + 1, :count
    UNION ALL
    SELECT id + 1, remaining - 1 FROM following WHERE remaining > 1
)
SELECT id FROM following;
