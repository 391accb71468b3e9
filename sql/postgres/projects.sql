-- lock_project --
-- Locks a project until the end of the transaction.
SELECT id
  FROM project
 WHERE id = :id
   FOR NO KEY UPDATE;
