-- Stubs that nobody has asked a look-up service about yet are found without looking through every item.
-- depends: 0013.search

CREATE INDEX item_to_look_up ON item (id) WHERE needs_review AND NOT uda_fetch_attempted;
