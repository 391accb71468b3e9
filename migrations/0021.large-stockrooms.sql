-- Large stockrooms: what lists filter by is found in an index, and items at or below their minimum by one GROUP BY.
-- No index has a column that a scan changes: on Postgres each scan would then write every index of the SKU.
-- depends: 0020.unit-changes

CREATE INDEX item_counted_by_seller ON item (seller) WHERE is_active AND seller <> '';
CREATE INDEX item_counted_by_type ON item (type_id) WHERE is_active AND type_id IS NOT NULL;
CREATE INDEX item_hidden ON item (id) WHERE NOT is_active;
CREATE INDEX item_with_minimum ON item (id, min_quantity_milli) WHERE min_quantity_milli IS NOT NULL;
-- Longer than a field may be in the index, so that some of it may be missing.
CREATE INDEX search_text_cut_off ON search_text (item_id) WHERE length(text) > 8000;
-- Of the common kinds, any page of the ledger has some.
CREATE INDEX stock_event_by_rare_kind ON stock_event (kind, id) WHERE kind NOT IN ('add', 'remove');
CREATE INDEX stock_event_by_time ON stock_event (occurred_at);

-- Items at or below their minimum; item_amount has the total of an item in several units. Counted once, whatever a query
-- joins it with: Postgres would count again for every row.
CREATE VIEW low_item AS
WITH counted (item_id, min_quantity_milli, total_milli) AS MATERIALIZED (
    SELECT item.id, item.min_quantity_milli,
           CASE WHEN count(sku.id) = 0 THEN 0.0
                WHEN min(sku.unit) = max(sku.unit) THEN sum(CAST(sku.quantity_milli AS DOUBLE PRECISION))
                ELSE (SELECT item_amount.total_milli FROM item_amount WHERE item_amount.item_id = item.id) END
      FROM item LEFT JOIN sku ON sku.item_id = item.id AND sku.is_active
     WHERE item.min_quantity_milli IS NOT NULL
     GROUP BY item.id, item.min_quantity_milli
)
SELECT counted.item_id, counted.min_quantity_milli, counted.total_milli
  FROM counted
 WHERE counted.total_milli <= counted.min_quantity_milli;

-- An event as answered.
CREATE VIEW event_detail AS
SELECT event.id, event.event_id, event.kind AS type, event.item_id, event.location_id, event.sku_id,
       CAST(event.delta_milli AS DOUBLE PRECISION) / 1000 AS delta,
       CAST(event.quantity_after_milli AS DOUBLE PRECISION) / 1000 AS quantity_after,
       event.occurred_at, event.recorded_at, event.user_id, event.scanner_id, event.batch_id, event.transfer_id,
       event.reverses_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS reversed_by_id,
       event.note
  FROM stock_event AS event;
