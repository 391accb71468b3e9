-- Webhooks, their positions in the ledger and the notifications (webhook_news), and their deliveries.

-- count_webhooks --
-- Counts webhooks.
SELECT count(*)
  FROM webhook;

-- add_webhook --
-- Adds a webhook.
INSERT INTO webhook (url, description, event_types, secret, is_active, created_at, updated_at)
VALUES (:url, :description, :event_types, :secret, :is_active, :created_at, :created_at)
RETURNING id;

-- get_webhook --
-- One webhook with its position, without its secrets.
SELECT webhook.id, webhook.url, webhook.description, webhook.event_types, webhook.is_active,
       webhook.inactive_reason, webhook.created_at, webhook.updated_at, queue.ledger_position AS position,
       queue.failing_since, CASE WHEN queue.failures > 0 THEN queue.next_attempt_at END AS next_attempt_at,
       (SELECT count(*) FROM webhook_delivery
         WHERE webhook_delivery.webhook_id = webhook.id AND webhook_delivery.status = 'waiting') AS waiting
  FROM webhook
  LEFT JOIN webhook_queue AS queue ON queue.webhook_id = webhook.id
 WHERE webhook.id = :id;

-- list_webhook_urls --
-- The addresses of the webhooks :ids.
SELECT id, url
  FROM webhook
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_webhooks --
-- Webhooks, in the order they were created.
SELECT webhook.id, webhook.url, webhook.description, webhook.event_types, webhook.is_active,
       webhook.inactive_reason, webhook.created_at, webhook.updated_at, queue.ledger_position AS position,
       queue.failing_since, CASE WHEN queue.failures > 0 THEN queue.next_attempt_at END AS next_attempt_at,
       (SELECT count(*) FROM webhook_delivery
         WHERE webhook_delivery.webhook_id = webhook.id AND webhook_delivery.status = 'waiting') AS waiting
  FROM webhook
  LEFT JOIN webhook_queue AS queue ON queue.webhook_id = webhook.id
 ORDER BY /* sort: id = webhook.id; url = lower(webhook.url); created_at = webhook.created_at;
             updated_at = webhook.updated_at */
          webhook.id
 LIMIT :limit OFFSET :skip;

-- lock_webhook --
-- Whether a webhook exists; on Postgres locked until the transaction ends.
SELECT id
  FROM webhook
 WHERE id = :id;

-- touch_webhook --
-- Locks a webhook for a change and sets its time.
UPDATE webhook
   SET updated_at = :updated_at
 WHERE id = :id;

-- change_webhook --
-- Stores the fields that an administrator may change.
UPDATE webhook
   SET url = :url, description = :description, event_types = :event_types, is_active = :is_active,
       inactive_reason = :inactive_reason
 WHERE id = :id;

-- rotate_webhook_secret --
-- Stores a new secret; the previous one also signs until :former_until.
UPDATE webhook
   SET former_secret = secret, former_until = :former_until, secret = :secret
 WHERE id = :id;

-- disable_webhook --
-- Disables a webhook with a reason.
UPDATE webhook
   SET is_active = FALSE, inactive_reason = :reason, updated_at = :updated_at
 WHERE id = :id AND is_active;

-- count_disabled_webhooks --
-- Counts webhooks that Stocky disabled.
SELECT count(*)
  FROM webhook
 WHERE NOT is_active AND inactive_reason IS NOT NULL;

-- remove_webhook --
-- Removes a webhook with its queue and its deliveries.
DELETE FROM webhook
 WHERE id = :id;

-- get_webhook_ends --
-- The last ids of the ledger and of the notifications.
SELECT (SELECT coalesce(max(id), 0) FROM stock_event) AS ledger,
       (SELECT coalesce(max(id), 0) FROM webhook_news) AS notifications;

-- begin_webhook_queue --
-- Adds the positions of a webhook that has none.
INSERT INTO webhook_queue (webhook_id, ledger_position, news_position, next_attempt_at)
VALUES (:webhook_id, :ledger, :notifications, :now)
ON CONFLICT (webhook_id) DO NOTHING;

-- list_webhook_positions --
-- The positions of active webhooks, and webhooks without positions.
SELECT webhook.id, webhook.event_types AS stored_types, queue.ledger_position AS ledger,
       queue.news_position AS notifications,
       (SELECT count(*) FROM webhook_delivery
         WHERE webhook_delivery.webhook_id = webhook.id AND webhook_delivery.status = 'waiting') AS waiting
  FROM webhook
  LEFT JOIN webhook_queue AS queue ON queue.webhook_id = webhook.id
 WHERE webhook.is_active OR queue.webhook_id IS NULL
 ORDER BY webhook.id;

-- list_webhook_notifications --
-- Notifications after :after up to :until, oldest first, with their alert. Those of a deleted alert are left out.
SELECT news.id, news.event_type, news.data AS data_json, news.occurred_at, alert.id AS alert_id, alert.alert_type,
       alert.message, CAST(alert.threshold_milli AS DOUBLE PRECISION) / 1000 AS threshold_value,
       alert.is_acknowledged, alert.acknowledged_at, alert.sku_id, alert.item_id, alert.created_at, alert.updated_at
  FROM webhook_news AS news
  LEFT JOIN alert ON alert.id = news.alert_id
 WHERE news.id > :after AND news.id <= :until AND (news.alert_id IS NULL OR alert.id IS NOT NULL)
 ORDER BY news.id
 LIMIT :limit;

-- advance_webhook_queue --
-- Moves the positions of a webhook from the expected ones; one of several processes succeeds.
UPDATE webhook_queue
   SET ledger_position = :ledger, news_position = :notifications
 WHERE webhook_id = :webhook_id AND ledger_position = :from_ledger AND news_position = :from_notifications
   AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_queue.webhook_id AND webhook.is_active);

-- move_webhook_in_ledger --
-- Moves a webhook forward in the ledger, never back.
UPDATE webhook_queue
   SET ledger_position = :ledger
 WHERE webhook_id = :webhook_id AND ledger_position < :ledger;

-- move_webhook_in_notifications --
-- Moves a webhook forward in the notifications, never back.
UPDATE webhook_queue
   SET news_position = :notifications
 WHERE webhook_id = :webhook_id AND news_position < :notifications;

-- hurry_webhook_queue --
-- Makes the waiting deliveries due now.
UPDATE webhook_queue
   SET next_attempt_at = :now
 WHERE webhook_id = :webhook_id;

-- forgive_webhook_queue --
-- Resets the failures and makes the waiting deliveries due now.
UPDATE webhook_queue
   SET next_attempt_at = :now, failures = 0, failing_since = NULL
 WHERE webhook_id = :webhook_id;

-- add_webhook_delivery --
-- Adds a delivery.
INSERT INTO webhook_delivery (webhook_id, message_id, event_type, payload, position, status, created_at)
VALUES (:webhook_id, :message_id, :event_type, :payload, :position, 'waiting', :created_at)
RETURNING id;

-- trim_webhook_deliveries --
-- Removes delivered and dropped deliveries that are not among the last :limit of the webhook.
DELETE FROM webhook_delivery
 WHERE webhook_id = :webhook_id AND status <> 'waiting'
   AND id <= (SELECT recent.id FROM webhook_delivery AS recent
               WHERE recent.webhook_id = :webhook_id
               ORDER BY recent.id DESC LIMIT 1 OFFSET :limit);

-- remove_old_webhook_deliveries --
-- Removes delivered and dropped deliveries created before :before.
DELETE FROM webhook_delivery
 WHERE status <> 'waiting' AND created_at < :before;

-- remove_old_webhook_notifications --
-- Removes notifications before :before or beyond the last :limit, except the last one, which holds the id sequence.
DELETE FROM webhook_news
 WHERE id < (SELECT max(id) FROM webhook_news)
   AND (occurred_at < :before OR id <= (SELECT max(id) FROM webhook_news) - :limit);

-- get_webhook_delivery --
-- One delivery of a webhook with its payload.
SELECT id, webhook_id, message_id, event_type, status, attempts, response_status, error, created_at, attempted_at,
       delivered_at, position, payload AS payload_json
  FROM webhook_delivery
 WHERE id = :id AND webhook_id = :webhook_id;

-- list_webhook_deliveries --
-- Deliveries of a webhook, newest first.
SELECT id, webhook_id, message_id, event_type, status, attempts, response_status, error, created_at, attempted_at,
       delivered_at, position
  FROM webhook_delivery
 WHERE webhook_id = :webhook_id
   AND (CAST(:status AS TEXT) IS NULL OR status = :status)
 ORDER BY /* sort: id; event_type; status; created_at; delivered_at = delivered_at NULLS LAST */ id DESC
 LIMIT :limit OFFSET :skip;

-- reopen_webhook_delivery --
-- Sets a delivery to wait again.
UPDATE webhook_delivery
   SET status = 'waiting', delivered_at = NULL
 WHERE id = :id AND webhook_id = :webhook_id;

-- drop_webhook_deliveries --
-- Drops the waiting deliveries.
UPDATE webhook_delivery
   SET status = 'dropped'
 WHERE webhook_id = :webhook_id AND status = 'waiting';

-- find_due_webhook --
-- A webhook with a due delivery and without a lease.
SELECT queue.webhook_id
  FROM webhook_queue AS queue
  JOIN webhook ON webhook.id = queue.webhook_id
 WHERE webhook.is_active AND queue.next_attempt_at <= :now AND (queue.lease_until IS NULL OR queue.lease_until <= :now)
   AND EXISTS (SELECT 1 FROM webhook_delivery
                WHERE webhook_delivery.webhook_id = queue.webhook_id AND webhook_delivery.status = 'waiting')
 ORDER BY queue.next_attempt_at
 LIMIT 1;

-- claim_webhook --
-- Takes the lease of a webhook; one of several processes succeeds.
UPDATE webhook_queue
   SET owner = :owner, lease_until = :lease_until
 WHERE webhook_id = :webhook_id AND (lease_until IS NULL OR lease_until <= :now);

-- end_webhook_leases --
-- Ends all leases: the process that held them has gone.
UPDATE webhook_queue
   SET owner = NULL, lease_until = NULL
 WHERE owner IS NOT NULL;

-- hold_webhook --
-- Renews the lease of a webhook.
UPDATE webhook_queue
   SET lease_until = :lease_until
 WHERE webhook_id = :webhook_id AND owner = :owner;

-- release_webhook --
-- Releases the lease of a webhook.
UPDATE webhook_queue
   SET owner = NULL, lease_until = NULL
 WHERE webhook_id = :webhook_id AND owner = :owner;

-- find_next_delivery --
-- The first waiting delivery, for the owner of the lease.
SELECT delivery.id, delivery.webhook_id, delivery.message_id, delivery.event_type, delivery.payload, webhook.url,
       webhook.secret, webhook.former_secret, webhook.former_until, queue.failures, queue.failing_since
  FROM webhook_queue AS queue
  JOIN webhook ON webhook.id = queue.webhook_id
  JOIN webhook_delivery AS delivery ON delivery.webhook_id = queue.webhook_id
 WHERE queue.webhook_id = :webhook_id AND queue.owner = :owner AND queue.next_attempt_at <= :now
   AND webhook.is_active AND delivery.status = 'waiting'
 ORDER BY delivery.id
 LIMIT 1;

-- note_delivered --
-- Records a successful delivery.
UPDATE webhook_delivery
   SET status = 'delivered', attempts = attempts + 1, response_status = :response_status, error = NULL,
       attempted_at = :now, delivered_at = :now
 WHERE message_id = :message_id AND status = 'waiting';

-- note_not_delivered --
-- Records a failed attempt with its error.
UPDATE webhook_delivery
   SET attempts = attempts + 1, response_status = :response_status, error = :error, attempted_at = :now
 WHERE message_id = :message_id AND status = 'waiting';

-- note_webhook_works --
-- Resets the failures after a success.
UPDATE webhook_queue
   SET failures = 0, failing_since = NULL
 WHERE webhook_id = :webhook_id AND owner = :owner;

-- delay_webhook --
-- Delays a webhook after a failure and releases its lease, unless the webhook was repaired meanwhile.
UPDATE webhook_queue
   SET failures = failures + 1, failing_since = :failing_since, next_attempt_at = :next_attempt_at,
       owner = NULL, lease_until = NULL
 WHERE webhook_id = :webhook_id AND owner = :owner
   AND failures = :failures AND coalesce(failing_since, :failing_since) = :failing_since
   AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_queue.webhook_id AND webhook.url = :url);

-- add_webhook_notification --
-- Adds a notification about something other than the ledger and alerts; alerts add theirs by trigger.
INSERT INTO webhook_news (event_type, data, occurred_at)
VALUES (:event_type, :data, :occurred_at);
