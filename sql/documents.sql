-- Documents on items, and the content in the store that none of them has.

-- get_document --
-- One document.
SELECT id, item_id, kind, name, url, content_type, size_bytes, sha256, width, height, created_at, updated_at
  FROM document
 WHERE id = :id;

-- list_documents --
-- Documents in the order they were added; all filters optional.
SELECT id, item_id, kind, name, url, content_type, size_bytes, sha256, width, height, created_at, updated_at
  FROM document
 WHERE (CAST(:item_id AS BIGINT) IS NULL OR item_id = :item_id)
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
 ORDER BY id
 LIMIT :limit OFFSET :skip;

-- add_document --
-- A new document; its content is in the store already.
INSERT INTO document (item_id, kind, name, url, content_type, size_bytes, sha256, width, height, created_at, updated_at)
VALUES (:item_id, :kind, :name, :url, :content_type, :size_bytes, :sha256, :width, :height, :created_at, :created_at)
RETURNING id;

-- change_document --
-- All that can be changed of a document.
UPDATE document
   SET name = :name, updated_at = :updated_at
 WHERE id = :id;

-- remove_document --
-- The row of a document; its content stays in the store for a while.
DELETE FROM document
 WHERE id = :id;

-- list_document_contents --
-- What documents have in the store, in the order of their ids, so many after :after.
SELECT id, name, sha256, size_bytes
  FROM document
 WHERE id > :after AND sha256 IS NOT NULL
 ORDER BY id
 LIMIT :limit;

-- count_contents --
-- How many contents documents have in the store.
SELECT count(DISTINCT sha256)
  FROM document;

-- list_unreferenced --
-- Of the contents :hashes (a JSON array), those that no document has.
SELECT value AS sha256
  FROM json_each(CAST(:hashes AS TEXT)) AS listed
 WHERE NOT EXISTS (SELECT 1 FROM document WHERE document.sha256 = listed.value);

-- note_orphan --
-- A content that no document has; one that is known already is known since then.
INSERT INTO orphan_content (sha256, seen_at)
VALUES (:sha256, :seen_at)
ON CONFLICT (sha256) DO NOTHING;

-- adopt_orphans --
-- The contents :hashes (a JSON array) are wanted again; one that is just being deleted is left to that.
DELETE FROM orphan_content
 WHERE sha256 IN (SELECT value FROM json_each(CAST(:hashes AS TEXT)))
   AND (doomed_at IS NULL OR doomed_at < :given_up);

-- find_doomed --
-- One of the contents :hashes (a JSON array) that is just being deleted.
SELECT sha256
  FROM orphan_content
 WHERE sha256 IN (SELECT value FROM json_each(CAST(:hashes AS TEXT)))
 LIMIT 1;

-- forget_adopted --
-- What has a document again is no orphan.
DELETE FROM orphan_content
 WHERE EXISTS (SELECT 1 FROM document WHERE document.sha256 = orphan_content.sha256)
   AND (doomed_at IS NULL OR doomed_at < :given_up);

-- doom_orphans --
-- So many of the contents that have been orphans for long enough: from now on nobody may adopt them.
UPDATE orphan_content
   SET doomed_at = :doomed_at
 WHERE sha256 IN (SELECT sha256
                    FROM orphan_content
                   WHERE seen_at < :seen_before AND (doomed_at IS NULL OR doomed_at < :given_up)
                   ORDER BY sha256
                   LIMIT :limit)
   AND (doomed_at IS NULL OR doomed_at < :given_up)
   AND NOT EXISTS (SELECT 1 FROM document WHERE document.sha256 = orphan_content.sha256)
RETURNING sha256;

-- remove_orphan --
-- An orphan that is in the store no longer.
DELETE FROM orphan_content
 WHERE sha256 = :sha256 AND doomed_at = :doomed_at;

-- has_contents --
-- A row when there is any content to look after.
SELECT 1
 WHERE EXISTS (SELECT 1 FROM document WHERE sha256 IS NOT NULL) OR EXISTS (SELECT 1 FROM orphan_content);

-- forget_item_image --
-- An item whose picture this document was has none.
UPDATE item
   SET image_document_id = NULL, version = version + 1, updated_at = :updated_at
 WHERE id = :item_id AND image_document_id = :document_id;

-- lock_image --
-- A picture of the item, kept until the end of the transaction. SQLite's one writer needs no lock.
SELECT id
  FROM document
 WHERE id = :document_id AND item_id = :item_id AND kind = 'image';

-- set_item_image --
-- The picture that an item is shown with, or none.
UPDATE item
   SET image_document_id = :document_id
 WHERE id = :item_id;
