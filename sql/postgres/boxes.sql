-- lock_box --
-- Locks a box and the number of its locations until the transaction ends.
SELECT id
  FROM box
 WHERE box_no = :box_no
   FOR NO KEY UPDATE;

-- lock_box_places --
-- Locks the stock at the box's locations after :after until the transaction ends.
SELECT id
  FROM location
 WHERE box_no = :box_no AND loc_no > :after AND is_active
 ORDER BY id
   FOR NO KEY UPDATE;
