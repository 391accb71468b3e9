-- The search's index on Postgres: trigrams by pg_trgm; without it every text is read.

-- find_by_name --
-- Active items whose name begins with :start, by name; :beyond is the first that does not.
SELECT found.item_id, found.text
  FROM search_text AS found
  JOIN item ON item.id = found.item_id AND item.is_active
 WHERE found.name COLLATE "C" >= :start AND found.name COLLATE "C" < :beyond
 ORDER BY found.name COLLATE "C", found.item_id
 LIMIT :limit;

-- make_search_index --
-- The index itself, where it is missing and pg_trgm is there or can be had; a server may lack it, or forbid it.
DO $$
DECLARE
    place NAME;
BEGIN
    IF to_regclass('search_text_trigrams') IS NOT NULL THEN
        RETURN;
    END IF;
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN OTHERS THEN
        RAISE DEBUG 'pg_trgm cannot be had: %', SQLERRM;
    END;
    SELECT nspname INTO place
      FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
     WHERE extname = 'pg_trgm';
    IF place IS NOT NULL THEN
        EXECUTE format('CREATE INDEX IF NOT EXISTS search_text_trigrams ON search_text USING gin (text %I.gin_trgm_ops)',
                       place);
    END IF;
END
$$;

-- make_search_index_take_in --
-- Postgres does that by itself.
SELECT 1;

-- make_search_index_let_go --
-- Postgres does that by itself.
SELECT 1;

-- drop_search_index --
-- Takes the index away, also a damaged one.
DROP INDEX IF EXISTS search_text_trigrams;

-- drop_search_index_take_in --
-- Nothing is to be done.
SELECT 1;

-- drop_search_index_let_go --
-- Nothing is to be done.
SELECT 1;

-- has_search_index --
-- Whether substrings are looked up in an index.
SELECT to_regclass('search_text_trigrams') IS NOT NULL;

-- take_search_turn --
-- Whether this process may work on the index until the end of its transaction; one at a time does.
SELECT pg_try_advisory_xact_lock(7786263);

-- list_index_gaps --
-- Postgres keeps its indexes in step by itself.
SELECT item_id
  FROM search_text
 WHERE FALSE
 LIMIT :limit;

-- find_pieces --
-- For each of the pieces :pieces, three letters or more, the items whose text has it, :most at most, as a list.
SELECT (SELECT json_agg(hit.item_id)
          FROM (SELECT item_id FROM search_text WHERE text LIKE '%' || piece.value || '%' LIMIT :most) AS hit)
  FROM json_each(CAST(:pieces AS TEXT)) AS piece;
