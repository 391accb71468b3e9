-- Lots and serial numbers: a SKU is an item at a location, of one expiry date, lot and serial number.
-- A serial number names one piece; that it is in stock at one place only is checked where stock is booked.
-- depends: 0027.reorder-quantity

-- Both are empty where they are not known.
ALTER TABLE sku ADD COLUMN lot TEXT NOT NULL DEFAULT ''
    CONSTRAINT sku__lot CHECK (length(lot) <= 100 AND length(lot || '.') = length(lot) + 1);
ALTER TABLE sku ADD COLUMN serial TEXT NOT NULL DEFAULT ''
    CONSTRAINT sku__serial
        CHECK (length(serial) <= 100 AND length(serial || '.') = length(serial) + 1
               AND (serial = '' OR quantity_milli IN (0, 1000)));

DROP INDEX sku__item_id__location_id;
DROP INDEX sku__item_id__location_id__expiry_date;
CREATE UNIQUE INDEX sku__item_id__location_id__lot__serial ON sku (item_id, location_id, lot, serial)
 WHERE expiry_date IS NULL;
CREATE UNIQUE INDEX sku__item_id__location_id__expiry_date__lot__serial
    ON sku (item_id, location_id, expiry_date, lot, serial)
 WHERE expiry_date IS NOT NULL;
CREATE INDEX sku_by_lot ON sku (lot) WHERE lot <> '';
CREATE INDEX sku_by_serial ON sku (serial) WHERE serial <> '';

ALTER TABLE reorg_move ADD COLUMN lot TEXT NOT NULL DEFAULT ''
    CONSTRAINT reorg_move__lot CHECK (length(lot || '.') = length(lot) + 1);
ALTER TABLE reorg_move ADD COLUMN serial TEXT NOT NULL DEFAULT ''
    CONSTRAINT reorg_move__serial CHECK (length(serial || '.') = length(serial) + 1);

-- An event as answered, with what its SKU is.
DROP VIEW event_detail;
CREATE VIEW event_detail AS
SELECT event.id, event.event_id, event.kind AS type, event.item_id, event.location_id, event.sku_id,
       CAST(event.delta_milli AS DOUBLE PRECISION) / 1000 AS delta,
       CAST(event.quantity_after_milli AS DOUBLE PRECISION) / 1000 AS quantity_after,
       event.occurred_at, event.recorded_at, event.user_id, event.scanner_id, event.batch_id, event.transfer_id,
       event.reverses_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS reversed_by_id,
       event.note, sku.expiry_date, sku.lot, sku.serial
  FROM stock_event AS event
  JOIN sku ON sku.id = event.sku_id;
