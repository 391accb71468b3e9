-- lock_box --
-- Keeps a box and the number of its places as they are until the transaction ends.
SELECT id
  FROM box
 WHERE box_no = :box_no
   FOR NO KEY UPDATE;

-- lock_box_places --
-- Nothing comes to the places after :after, or goes from them, until the transaction ends.
SELECT id
  FROM location
 WHERE box_no = :box_no AND loc_no > :after AND is_active
 ORDER BY id
   FOR NO KEY UPDATE;
