-- What the next booked scan of a scanner counts, in thousandths; NULL where the scan itself says it.
-- depends: 0025.locations-within

ALTER TABLE scanner ADD COLUMN next_quantity_milli BIGINT CONSTRAINT scanner__next_quantity CHECK (next_quantity_milli > 0);
