-- lock_project --
-- Keeps a project as it is until the end of the transaction.
SELECT id
  FROM project
 WHERE id = :id
   FOR NO KEY UPDATE;
