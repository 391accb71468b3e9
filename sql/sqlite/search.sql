-- The search's index on SQLite: trigrams by FTS5, also for LIKE. What is shorter than three letters is read for.

-- find_containing --
-- Active items whose text has all of the patterns in it, the longest first; % is one that every text has. The index is
-- asked, where no + stands, by three letters or more only: FTS5 of SQLite 3.40 counts bytes for letters, finds nothing
-- by fewer, and crashes where one that it has no use for stands before a longer one.
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

-- find_pieces --
-- For each of the pieces :pieces, three letters or more, the items whose text has it, :most at most, as a list.
SELECT (SELECT json_group_array(item_id)
          FROM (SELECT search_index.rowid AS item_id FROM search_index
                 WHERE search_index MATCH '"' || piece.value || '"' LIMIT :most))
  FROM json_each(:pieces) AS piece;

-- make_search_index --
-- The index itself, where it is missing: a restored dump has none.
CREATE VIRTUAL TABLE IF NOT EXISTS search_index USING fts5 (
    text, content = 'search_text', content_rowid = 'item_id', tokenize = 'trigram'
);

-- make_search_index_take_in --
-- What is added to the texts is in the index.
CREATE TRIGGER IF NOT EXISTS search_index_takes_in AFTER INSERT ON search_text
BEGIN
    INSERT INTO search_index (rowid, text) VALUES (NEW.item_id, NEW.text);
END;

-- make_search_index_let_go --
-- What is taken from the texts is not in the index.
CREATE TRIGGER IF NOT EXISTS search_index_lets_go AFTER DELETE ON search_text
BEGIN
    INSERT INTO search_index (search_index, rowid, text) VALUES ('delete', OLD.item_id, OLD.text);
END;

-- drop_search_index --
-- Takes the index away, also a damaged one.
DROP TABLE IF EXISTS search_index;

-- drop_search_index_take_in --
-- What is added to the texts changes no index.
DROP TRIGGER IF EXISTS search_index_takes_in;

-- drop_search_index_let_go --
-- What is taken from the texts changes no index.
DROP TRIGGER IF EXISTS search_index_lets_go;

-- has_search_index --
-- Whether substrings are looked up in an index.
SELECT TRUE;

-- take_search_turn --
-- Whether this process may work on the index. SQLite has one writer.
SELECT TRUE;

-- list_index_gaps --
-- Items of which the texts and the index do not say the same: one has them and the other has not.
SELECT item_id
  FROM search_text
 WHERE NOT EXISTS (SELECT 1 FROM search_index_docsize AS indexed WHERE indexed.id = search_text.item_id)
UNION ALL
SELECT indexed.id
  FROM search_index_docsize AS indexed
 WHERE NOT EXISTS (SELECT 1 FROM search_text WHERE search_text.item_id = indexed.id)
 LIMIT :limit;
