-- The search index on Postgres: trigrams by pg_trgm; without it every text is read.

-- find_by_name --
-- Active items whose name starts with :start, by name; :beyond sorts after all of them.
SELECT found.item_id, found.text
  FROM search_text AS found
  JOIN item ON item.id = found.item_id AND item.is_active
 WHERE found.name COLLATE "C" >= :start AND found.name COLLATE "C" < :beyond
 ORDER BY found.name COLLATE "C", found.item_id
 LIMIT :limit;

-- plan_for_values --
-- Until the transaction ends, Postgres plans each query for its values, not one plan for all.
SELECT set_config('plan_cache_mode', 'force_custom_plan', TRUE);

-- make_search_index --
-- Creates a missing index if pg_trgm exists or can be created; a server may lack it or forbid it.
DO $$
DECLARE
    extension_schema NAME;
BEGIN
    IF to_regclass('search_text_trigrams') IS NOT NULL THEN
        RETURN;
    END IF;
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN OTHERS THEN
        RAISE DEBUG 'pg_trgm cannot be created: %', SQLERRM;
    END;
    SELECT nspname INTO extension_schema
      FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
     WHERE extname = 'pg_trgm';
    IF extension_schema IS NOT NULL THEN
        EXECUTE format('CREATE INDEX IF NOT EXISTS search_text_trigrams ON search_text USING gin (text %I.gin_trgm_ops)',
                       extension_schema);
    END IF;
END
$$;

-- make_search_insert_trigger --
-- No-op: Postgres updates its indexes itself.
SELECT 1;

-- make_search_delete_trigger --
-- No-op: Postgres updates its indexes itself.
SELECT 1;

-- drop_search_index --
-- Drops the index, also a damaged one.
DROP INDEX IF EXISTS search_text_trigrams;

-- drop_search_insert_trigger --
-- No-op: there is no trigger.
SELECT 1;

-- drop_search_delete_trigger --
-- No-op: there is no trigger.
SELECT 1;

-- has_search_index --
-- Whether an index of substrings exists.
SELECT to_regclass('search_text_trigrams') IS NOT NULL;

-- lock_search_index --
-- Whether this process may work on the index until its transaction ends; one process at a time.
SELECT pg_try_advisory_xact_lock(7786263);

-- list_index_gaps --
-- No rows: Postgres updates its indexes itself.
SELECT item_id
  FROM search_text
 WHERE FALSE
 LIMIT :limit;

-- find_items_by_fragment --
-- For each fragment in :fragments, of three letters or more, a list of up to :most items whose text contains it.
SELECT (SELECT json_agg(hit.item_id)
          FROM (SELECT item_id FROM search_text WHERE text LIKE '%' || fragment.value || '%' LIMIT :most) AS hit)
  FROM json_each(CAST(:fragments AS TEXT)) AS fragment;
