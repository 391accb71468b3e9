-- Documents of items, and stored contents that no document references.

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
 ORDER BY /* sort: id; item_id; kind; name = lower(name); size_bytes = size_bytes NULLS LAST; created_at;
             updated_at */
          id
 LIMIT :limit OFFSET :skip;

-- add_document --
-- A new document; its content is in the store already.
INSERT INTO document (item_id, kind, name, url, content_type, size_bytes, sha256, width, height, created_at, updated_at)
VALUES (:item_id, :kind, :name, :url, :content_type, :size_bytes, :sha256, :width, :height, :created_at, :created_at)
RETURNING id;

-- change_document --
-- Renames a document.
UPDATE document
   SET name = :name, updated_at = :updated_at
 WHERE id = :id;

-- remove_document --
-- Removes the row of a document; its content stays in the store for a while.
DELETE FROM document
 WHERE id = :id;

-- list_document_contents --
-- Documents with content, ordered by id, at most :limit after :after.
SELECT id, name, sha256, size_bytes
  FROM document
 WHERE id > :after AND sha256 IS NOT NULL
 ORDER BY id
 LIMIT :limit;

-- count_contents --
-- Counts the distinct contents of documents.
SELECT count(DISTINCT sha256)
  FROM document;

-- list_unreferenced --
-- The contents among :hashes (a JSON array) that no document references.
SELECT value AS sha256
  FROM json_each(CAST(:hashes AS TEXT)) AS listed
 WHERE NOT EXISTS (SELECT 1 FROM document WHERE document.sha256 = listed.value);

-- note_orphan --
-- Notes an orphan; one that is already noted keeps its time.
INSERT INTO orphan_content (sha256, seen_at)
VALUES (:sha256, :seen_at)
ON CONFLICT (sha256) DO NOTHING;

-- adopt_orphans --
-- Protects the contents :hashes (a JSON array) from deletion, except those already being deleted.
DELETE FROM orphan_content
 WHERE sha256 IN (SELECT value FROM json_each(CAST(:hashes AS TEXT)))
   AND (doomed_at IS NULL OR doomed_at < :given_up);

-- find_doomed --
-- One of the contents :hashes (a JSON array) that is being deleted.
SELECT sha256
  FROM orphan_content
 WHERE sha256 IN (SELECT value FROM json_each(CAST(:hashes AS TEXT)))
 LIMIT 1;

-- forget_adopted --
-- Removes orphans that a document references again.
DELETE FROM orphan_content
 WHERE EXISTS (SELECT 1 FROM document WHERE document.sha256 = orphan_content.sha256)
   AND (doomed_at IS NULL OR doomed_at < :given_up);

-- doom_orphans --
-- Marks at most :limit old orphans for deletion; from now on they cannot be adopted.
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
-- Removes an orphan that is no longer in the store.
DELETE FROM orphan_content
 WHERE sha256 = :sha256 AND doomed_at = :doomed_at;

-- has_contents --
-- One row when any content exists.
SELECT 1
 WHERE EXISTS (SELECT 1 FROM document WHERE sha256 IS NOT NULL) OR EXISTS (SELECT 1 FROM orphan_content);

-- forget_item_image --
-- Removes this document as the picture of its item.
UPDATE item
   SET image_document_id = NULL, version = version + 1, updated_at = :updated_at
 WHERE id = :item_id AND image_document_id = :document_id;

-- lock_image --
-- A picture of the item, locked until the end of the transaction. SQLite's single writer needs no lock.
SELECT id
  FROM document
 WHERE id = :document_id AND item_id = :item_id AND kind = 'image';

-- set_item_image --
-- Sets or clears the picture of an item.
UPDATE item
   SET image_document_id = :document_id
 WHERE id = :item_id;
