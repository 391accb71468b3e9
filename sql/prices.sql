-- What was paid for stock. The prices of an item are its own and those of the items merged into it; one whose event is
-- undone does not count. A lot is what an item's SKUs with one expiry date, lot and serial number share.

-- add_prices --
-- Adds the price of an event; without a :seller it is the item's.
INSERT INTO price (item_id, sku_id, event_id, price_micro, per_milli, unit, seller, paid_at, user_id, created_at,
                   updated_at)
VALUES (:item_id, :sku_id, :event_id, :price_micro, :per_milli, :unit,
        coalesce(CAST(:seller AS TEXT), (SELECT item.seller FROM item WHERE item.id = :item_id)), :paid_at, :user_id,
        :created_at, :created_at);

-- add_price --
-- Adds a price without an event; without a :seller it is the item's.
INSERT INTO price (item_id, sku_id, price_micro, unit, seller, paid_at, user_id, created_at, updated_at)
VALUES (:item_id, :sku_id, :price_micro, :unit,
        coalesce(CAST(:seller AS TEXT), (SELECT item.seller FROM item WHERE item.id = :item_id)), :paid_at, :user_id,
        :created_at, :created_at)
RETURNING id;

-- get_price --
-- One price.
SELECT price.id, price.item_id, price.sku_id, price.event_id, price.price_micro, price.per_milli, price.unit,
       price.seller, price.paid_at, price.user_id, price.created_at, price.updated_at, price.version,
       sku.expiry_date, coalesce(sku.lot, '') AS lot, coalesce(sku.serial, '') AS serial,
       EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = price.event_id) AS is_undone
  FROM price LEFT JOIN sku ON sku.id = price.sku_id
 WHERE price.id = :id;

-- list_prices_of_item --
-- The prices of an item, newest first.
SELECT price.id, price.item_id, price.sku_id, price.event_id, price.price_micro, price.per_milli, price.unit,
       price.seller, price.paid_at, price.user_id, price.created_at, price.updated_at, price.version,
       sku.expiry_date, coalesce(sku.lot, '') AS lot, coalesce(sku.serial, '') AS serial,
       EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = price.event_id) AS is_undone
  FROM price LEFT JOIN sku ON sku.id = price.sku_id
 WHERE price.item_id IN (SELECT item.id FROM item WHERE item.id = :item_id OR item.merged_into_id = :item_id)
 ORDER BY /* sort: id = price.id; paid_at = price.paid_at; seller = lower(price.seller) */
          price.paid_at DESC, price.id DESC
 LIMIT :limit OFFSET :skip;

-- find_last_price --
-- The price that was paid last for an item.
SELECT price.id, price.item_id, price.sku_id, price.event_id, price.price_micro, price.per_milli, price.unit,
       price.seller, price.paid_at, price.user_id, price.created_at, price.updated_at, price.version,
       NULL AS expiry_date, '' AS lot, '' AS serial, FALSE AS is_undone
  FROM price
 WHERE price.item_id IN (SELECT item.id FROM item WHERE item.id = :item_id OR item.merged_into_id = :item_id)
   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = price.event_id)
 ORDER BY price.paid_at DESC, price.id DESC
 LIMIT 1;

-- change_price --
-- Corrects a price. A new unit alone leaves the number as it is: what the same quantity of that unit costs.
UPDATE price
   SET price_micro = :price_micro, per_milli = :per_milli, unit = :unit, seller = :seller, paid_at = :paid_at,
       version = version + 1, updated_at = :updated_at
 WHERE id = :id;

-- remove_price --
-- Removes a price.
DELETE FROM price
 WHERE id = :id;

-- find_snapshot --
-- What this transaction sees, as a text that differs after every commit. NULL where the database itself has a revision.
SELECT CAST(NULL AS TEXT) AS snapshot;

-- list_merges_by --
-- The merges with ids above :after that were made before :until, and not undone by then.
SELECT id, source_id, target_id
  FROM item_merge
 WHERE id > :after AND merged_at < :until AND (undone_at IS NULL OR undone_at >= :until)
 ORDER BY id
 LIMIT :limit;

-- list_merged_items --
-- The items that are merged, and into which, among the items :ids and those merged into them.
SELECT id, merged_into_id
  FROM item
 WHERE merged_into_id IS NOT NULL
   AND (id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
        OR merged_into_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))));

-- list_prices_known --
-- The prices that were paid before :until and count then, with ids above :after, each with its lot.
SELECT price.id, price.item_id, sku.expiry_date, coalesce(sku.lot, '') AS lot, coalesce(sku.serial, '') AS serial,
       price.price_micro, price.per_milli, price.unit, price.paid_at
  FROM price LEFT JOIN sku ON sku.id = price.sku_id
 WHERE price.id > :after
   AND price.paid_at < :until
   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal
                    WHERE reversal.reverses_id = price.event_id AND reversal.occurred_at < :until)
 ORDER BY price.id
 LIMIT :limit;

-- list_prices_of_items --
-- The same of the items :ids.
SELECT price.id, price.item_id, sku.expiry_date, coalesce(sku.lot, '') AS lot, coalesce(sku.serial, '') AS serial,
       price.price_micro, price.per_milli, price.unit, price.paid_at
  FROM price LEFT JOIN sku ON sku.id = price.sku_id
 WHERE price.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND price.paid_at < :until
   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal
                    WHERE reversal.reverses_id = price.event_id AND reversal.occurred_at < :until);

-- list_stock_to_value --
-- The SKUs with ids above :after that hold stock or changed since :changed_since, with their present quantities, and
-- whether their unit at :until was another one, which nothing has recorded.
SELECT id, item_id, location_id, expiry_date, lot, serial, opened_on, unit, quantity_milli,
       coalesce(unit_changed_at >= :until, FALSE) AS is_unit_changed
  FROM sku
 WHERE id > :after
   AND (quantity_milli <> 0 OR updated_at >= :changed_since)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
 ORDER BY id
 LIMIT :limit;

-- list_stock_of_items_to_value --
-- The same of the items :ids, also empty and hidden SKUs.
SELECT id, item_id, location_id, expiry_date, lot, serial, opened_on, unit, quantity_milli,
       coalesce(unit_changed_at >= :until, FALSE) AS is_unit_changed
  FROM sku
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_changes_since --
-- How much each event changed its SKU, of those that occurred :since then; a page of them comes after the event :after.
SELECT id, occurred_at, sku_id, delta_milli
  FROM stock_event
 WHERE occurred_at >= :since AND (occurred_at > :since OR id > :after)
 ORDER BY occurred_at, id
 LIMIT :limit;

-- list_sources_of_skus --
-- From which lots stock was moved to the SKUs :ids of the items :item_ids before :until, the latest move last. The
-- side of a transfer that gives comes right before the one that takes.
SELECT taking.sku_id, source.expiry_date, source.lot, source.serial, source.id AS source_id, source.item_id,
       taking.occurred_at
  FROM stock_event AS taking
  JOIN stock_event AS giving
    ON giving.id = (SELECT max(prior.id) FROM stock_event AS prior
                     WHERE prior.transfer_id = taking.transfer_id AND prior.id < taking.id AND prior.delta_milli < 0)
  JOIN sku AS source ON source.id = giving.sku_id
 WHERE taking.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:item_ids AS TEXT)))
   AND taking.sku_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND taking.transfer_id IS NOT NULL
   AND taking.delta_milli > 0
   AND taking.occurred_at < :until
 ORDER BY taking.occurred_at, taking.id;

-- name_items_to_value --
-- The names of the items :ids.
SELECT id, code, name
  FROM item
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));
