-- When the unit of a SKU was last changed to another one: events booked up to then are in an older unit, and not undone.
-- depends: 0019.usernames

ALTER TABLE sku ADD COLUMN unit_changed_at TIMESTAMPTZ;
