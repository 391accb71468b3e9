-- Without lots, SKUs of one item at one location with one expiry date are the same. Only a trigger can refuse here.
CREATE TEMP VIEW sku_of_several_lots AS
SELECT min(id) AS id FROM sku GROUP BY item_id, location_id, expiry_date HAVING count(*) > 1;
CREATE TEMP TRIGGER skus_of_several_lots_stay INSTEAD OF INSERT ON sku_of_several_lots
BEGIN
    SELECT RAISE(ABORT, 'There is stock of several lots or serial numbers at one location; without this migration they would be one. Restore an older backup instead');
END;
INSERT INTO sku_of_several_lots SELECT id FROM sku_of_several_lots LIMIT 1;
DROP VIEW sku_of_several_lots;

DROP VIEW event_detail;
CREATE VIEW event_detail AS
SELECT event.id, event.event_id, event.kind AS type, event.item_id, event.location_id, event.sku_id,
       CAST(event.delta_milli AS DOUBLE PRECISION) / 1000 AS delta,
       CAST(event.quantity_after_milli AS DOUBLE PRECISION) / 1000 AS quantity_after,
       event.occurred_at, event.recorded_at, event.user_id, event.scanner_id, event.batch_id, event.transfer_id,
       event.reverses_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS reversed_by_id,
       event.note
  FROM stock_event AS event;
ALTER TABLE reorg_move DROP COLUMN serial;
ALTER TABLE reorg_move DROP COLUMN lot;
DROP INDEX sku_by_serial;
DROP INDEX sku_by_lot;
DROP INDEX sku__item_id__location_id__expiry_date__lot__serial;
DROP INDEX sku__item_id__location_id__lot__serial;
ALTER TABLE sku DROP COLUMN serial;
ALTER TABLE sku DROP COLUMN lot;
CREATE UNIQUE INDEX sku__item_id__location_id ON sku (item_id, location_id) WHERE expiry_date IS NULL;
CREATE UNIQUE INDEX sku__item_id__location_id__expiry_date ON sku (item_id, location_id, expiry_date)
 WHERE expiry_date IS NOT NULL;
