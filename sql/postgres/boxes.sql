-- lock_box --
-- Locks a box and the number of its locations until the transaction ends.
SELECT id
  FROM box
 WHERE box_no = :box_no
   FOR NO KEY UPDATE;
