-- What Postgres has to be told: that a row stays as it is.

-- lock_image --
-- A picture of the item, kept until the end of the transaction.
SELECT id
  FROM document
 WHERE id = :document_id AND item_id = :item_id AND kind = 'image'
   FOR SHARE;
