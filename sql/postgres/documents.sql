-- Postgres needs a row lock.

-- lock_image --
-- A picture of the item, locked until the end of the transaction.
SELECT id
  FROM document
 WHERE id = :document_id AND item_id = :item_id AND kind = 'image'
   FOR SHARE;
