-- The search index on SQLite: trigrams by FTS5, also for LIKE. Patterns under three letters read every text.

-- find_containing --
-- Active items whose text matches all patterns, longest first; % matches every text. The index is used, where no +
-- stands, only for three letters or more: FTS5 of SQLite 3.40 counts bytes as letters, finds nothing by fewer, and
-- crashes where an unusable pattern precedes a longer one.
SELECT found.rowid AS item_id, found.text
  FROM search_index AS found
  JOIN item ON item.id = found.rowid AND item.is_active
 WHERE +found.text LIKE :one AND +found.text LIKE :two AND +found.text LIKE :three AND +found.text LIKE :four
   AND found.text LIKE CASE WHEN length(:one) >= 5 THEN :one ELSE '%' END
   AND found.text LIKE CASE WHEN min(length(:one), length(:two)) >= 5 THEN :two ELSE '%' END
   AND found.text LIKE CASE WHEN min(length(:one), length(:two), length(:three)) >= 5 THEN :three ELSE '%' END
   AND found.text LIKE
       CASE WHEN min(length(:one), length(:two), length(:three), length(:four)) >= 5 THEN :four ELSE '%' END
 ORDER BY found.rowid
 LIMIT :limit;

-- find_items_by_fragment --
-- For each fragment in :fragments, of three letters or more, a list of up to :most items whose text contains it.
SELECT (SELECT json_group_array(item_id)
          FROM (SELECT search_index.rowid AS item_id FROM search_index
                 WHERE search_index MATCH '"' || fragment.value || '"' LIMIT :most))
  FROM json_each(:fragments) AS fragment;

-- make_search_index --
-- Creates a missing index: a restored dump has none.
CREATE VIRTUAL TABLE IF NOT EXISTS search_index USING fts5 (
    text, content = 'search_text', content_rowid = 'item_id', tokenize = 'trigram'
);

-- make_search_insert_trigger --
-- Indexes added texts.
CREATE TRIGGER IF NOT EXISTS search_index_takes_in AFTER INSERT ON search_text
BEGIN
    INSERT INTO search_index (rowid, text) VALUES (NEW.item_id, NEW.text);
END;

-- make_search_delete_trigger --
-- Removes deleted texts from the index.
CREATE TRIGGER IF NOT EXISTS search_index_lets_go AFTER DELETE ON search_text
BEGIN
    INSERT INTO search_index (search_index, rowid, text) VALUES ('delete', OLD.item_id, OLD.text);
END;

-- drop_search_index --
-- Drops the index, also a damaged one.
DROP TABLE IF EXISTS search_index;

-- drop_search_insert_trigger --
-- Drops the trigger for added texts.
DROP TRIGGER IF EXISTS search_index_takes_in;

-- drop_search_delete_trigger --
-- Drops the trigger for deleted texts.
DROP TRIGGER IF EXISTS search_index_lets_go;

-- has_search_index --
-- Whether an index of substrings exists.
SELECT TRUE;

-- lock_search_index --
-- Whether this process may work on the index; always, since SQLite has one writer.
SELECT TRUE;

-- list_index_gaps --
-- Items that are in only one of the texts and the index.
SELECT item_id
  FROM search_text
 WHERE NOT EXISTS (SELECT 1 FROM search_index_docsize AS indexed WHERE indexed.id = search_text.item_id)
UNION ALL
SELECT indexed.id
  FROM search_index_docsize AS indexed
 WHERE NOT EXISTS (SELECT 1 FROM search_text WHERE search_text.item_id = indexed.id)
 LIMIT :limit;
