-- Alerts: those caused by the stock, and those raised by people and the service.

-- list_causes --
-- The causes of alerts of the items :ids, each with its alert, if any; then (is_gone) the alerts whose cause has
-- ended. :today is the first expiry date that is not expired, :soon the last that counts as expiring; :local_today is
-- the first due date that is not overdue. What a person has is in no storage.
WITH chosen (id) AS (
    SELECT id FROM item WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
), cause (alert_type, item_id, sku_id, threshold_milli, due_on) AS (
    SELECT 'low_stock', item.id, CAST(NULL AS BIGINT), item.min_quantity_milli, CAST(NULL AS DATE)
      FROM chosen JOIN item ON item.id = chosen.id
     WHERE item.is_active
       AND item.min_quantity_milli >= (SELECT item_amount.total_milli FROM item_amount
                                        WHERE item_amount.item_id = item.id)
    UNION ALL
    SELECT 'negative_stock', sku.item_id, sku.id, 0, NULL
      FROM chosen JOIN sku ON sku.item_id = chosen.id
     WHERE sku.quantity_milli < 0
    UNION ALL
    SELECT CASE WHEN sku.expiry_date < :today THEN 'expired' ELSE 'expiring' END, sku.item_id, sku.id, NULL, NULL
      FROM chosen JOIN sku ON sku.item_id = chosen.id
     WHERE sku.quantity_milli > 0 AND sku.expiry_date <= :soon
    UNION ALL
    SELECT 'storage_mismatch', sku.item_id, sku.id, NULL, NULL
      FROM chosen
      JOIN sku ON sku.item_id = chosen.id
      JOIN item ON item.id = chosen.id
      JOIN location ON location.id = sku.location_id
     WHERE sku.quantity_milli > 0
       AND location.kind = 'place'
       AND ((item.default_storage_type = 'freezer' AND location.storage_type <> 'freezer')
            OR (item.default_storage_type = 'refrigerator'
                AND location.storage_type NOT IN ('refrigerator', 'freezer')))
       -- A drawer is as cold as the freezer that it is in.
       AND (location.parent_id IS NULL
            OR NOT EXISTS (WITH RECURSIVE above (parent_id, storage_type, level) AS (
                               SELECT parent.parent_id, parent.storage_type, 1
                                 FROM location AS parent WHERE parent.id = location.parent_id
                               UNION ALL
                               SELECT parent.parent_id, parent.storage_type, above.level + 1
                                 FROM above JOIN location AS parent ON parent.id = above.parent_id
                                WHERE above.level < 200)
                           SELECT 1 FROM above
                            WHERE above.storage_type = 'freezer'
                               OR (above.storage_type = 'refrigerator'
                                   AND item.default_storage_type = 'refrigerator')))
    UNION ALL
    SELECT 'overdue', held.item_id, held.sku_id, NULL, held.due_on
      FROM (SELECT sku.item_id, sku.id AS sku_id,
                   (SELECT min(loan.due_on) FROM loan
                     WHERE loan.sku_id = sku.id AND loan.ended_by IS NULL AND loan.due_on < :local_today) AS due_on
              FROM chosen JOIN sku ON sku.item_id = chosen.id
             WHERE sku.quantity_milli > 0) AS held
     WHERE held.due_on IS NOT NULL
)
SELECT cause.alert_type, cause.item_id, cause.sku_id, cause.threshold_milli, item.name AS item_name,
       location.path AS location_path, item.default_storage_type AS storage_type, sku.expiry_date,
       cause.due_on, alert.id AS alert_id, alert.message, FALSE AS is_gone
  FROM cause
  JOIN item ON item.id = cause.item_id
  LEFT JOIN sku ON sku.id = cause.sku_id
  LEFT JOIN location ON location.id = sku.location_id
  LEFT JOIN alert ON alert.item_id = cause.item_id AND alert.alert_type = cause.alert_type AND alert.cause_lasts
                 AND coalesce(alert.sku_id, 0) = coalesce(cause.sku_id, 0)
UNION ALL
SELECT alert.alert_type, alert.item_id, alert.sku_id, NULL, '', NULL, '', NULL, NULL, alert.id, alert.message, TRUE
  FROM chosen
  JOIN alert ON alert.item_id = chosen.id
 WHERE alert.cause_lasts
   AND NOT EXISTS (SELECT 1 FROM cause
                    WHERE cause.item_id = alert.item_id AND cause.alert_type = alert.alert_type
                      AND coalesce(cause.sku_id, 0) = coalesce(alert.sku_id, 0));

-- count_causes --
-- How many items have each cause of alerts, how many wait for review, and how many alerts nobody has acknowledged.
SELECT alert_type AS name, count(DISTINCT item_id) AS number
  FROM alert
 WHERE cause_lasts
 GROUP BY alert_type
UNION ALL
SELECT 'needs_review', count(*) FROM item WHERE needs_review AND is_active
UNION ALL
SELECT 'unacknowledged', count(*) FROM alert WHERE is_active AND NOT is_acknowledged;

-- raise_alert --
-- Raises an alert for a cause without one; an alert that a person resolved counts while the cause lasts.
INSERT INTO alert (alert_type, message, threshold_milli, sku_id, item_id, cause_lasts, created_at, updated_at)
VALUES (:alert_type, :message, :threshold_milli, :sku_id, :item_id, TRUE, :created_at, :created_at)
ON CONFLICT DO NOTHING;

-- reword_alert --
-- Updates an alert after a change of a name or a threshold.
UPDATE alert
   SET message = :message, threshold_milli = :threshold_milli, updated_at = :updated_at
 WHERE id = :id;

-- end_causes --
-- Resolves the alerts :ids, whose causes have ended.
UPDATE alert
   SET is_active = FALSE, cause_lasts = FALSE, updated_at = :updated_at
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_watched_items --
-- Items after :after that may have an alert, up to :limit.
SELECT item.id
  FROM item
 WHERE item.id > :after
   AND (item.min_quantity_milli IS NOT NULL
        OR EXISTS (SELECT 1 FROM sku
                    WHERE sku.item_id = item.id
                      AND (sku.quantity_milli < 0
                           OR (sku.quantity_milli > 0
                               AND (sku.expiry_date IS NOT NULL
                                    OR item.default_storage_type IN ('freezer', 'refrigerator')))))
        OR EXISTS (SELECT 1 FROM alert WHERE alert.item_id = item.id AND alert.cause_lasts))
 ORDER BY item.id
 LIMIT :limit;

-- list_items_with_skus_at --
-- Items that have a SKU at one of the locations :ids.
SELECT DISTINCT item_id
  FROM sku
 WHERE is_active AND location_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- lock_service_alert --
-- Blocks others that raise a service alert of this type until the end of the transaction. SQLite's single writer needs
-- no lock.
SELECT 1 AS locked WHERE :alert_type IS NOT NULL;

-- renew_service_alert --
-- Updates the active service alert of this type with a new message.
UPDATE alert
   SET message = :message, updated_at = :updated_at
 WHERE alert_type = :alert_type AND sku_id IS NULL AND item_id IS NULL AND is_active;

-- resolve_service_alerts --
-- Resolves the service alerts of this type.
UPDATE alert
   SET is_active = FALSE, updated_at = :updated_at
 WHERE alert_type = :alert_type AND sku_id IS NULL AND item_id IS NULL AND is_active;

-- add_alert --
-- Adds an alert raised by a person or the service; no row when the SKU has an active one of its type.
INSERT INTO alert (alert_type, message, threshold_milli, sku_id, item_id, created_at, updated_at)
VALUES (:alert_type, :message, :threshold_milli, :sku_id, (SELECT sku.item_id FROM sku WHERE sku.id = :sku_id),
        :created_at, :created_at)
ON CONFLICT DO NOTHING
RETURNING id;

-- get_alert --
-- One alert.
SELECT id, alert_type, message, CAST(threshold_milli AS DOUBLE PRECISION) / 1000 AS threshold_value, is_active,
       is_acknowledged, acknowledged_at, sku_id, item_id, created_at, updated_at
  FROM alert
 WHERE id = :id;

-- list_alerts --
-- Alerts, newest first; of one type with :alert_type.
SELECT id, alert_type, message, CAST(threshold_milli AS DOUBLE PRECISION) / 1000 AS threshold_value, is_active,
       is_acknowledged, acknowledged_at, sku_id, item_id, created_at, updated_at
  FROM alert
 WHERE (is_active OR NOT :active_only)
   AND (CAST(:alert_type AS TEXT) IS NULL OR alert_type = :alert_type)
 ORDER BY /* sort: id; alert_type; created_at; updated_at */ id DESC
 LIMIT :limit OFFSET :skip;

-- count_active_alerts --
-- How many active alerts there are of each type.
SELECT alert_type, count(*)
  FROM alert
 WHERE is_active
 GROUP BY alert_type;

-- acknowledge_alert --
-- Acknowledges an alert; stores the first time.
UPDATE alert
   SET is_acknowledged = TRUE, acknowledged_at = coalesce(acknowledged_at, :acknowledged_at),
       updated_at = :acknowledged_at
 WHERE id = :id;

-- resolve_alert --
-- Resolves an alert for a person; it is not raised again while its cause lasts.
UPDATE alert
   SET is_active = FALSE, updated_at = :updated_at
 WHERE id = :id;
