-- Webhooks: who is told of what, how far each has been told, and what is to be delivered.

-- count_webhooks --
-- How many there are.
SELECT count(*)
  FROM webhook;

-- add_webhook --
-- A webhook.
INSERT INTO webhook (url, description, event_types, secret, is_active, created_at, updated_at)
VALUES (:url, :description, :event_types, :secret, :is_active, :created_at, :created_at)
RETURNING id;

-- get_webhook --
-- A webhook with how far it is; its secrets stay where they are.
SELECT webhook.id, webhook.url, webhook.description, webhook.event_types, webhook.is_active,
       webhook.inactive_reason, webhook.created_at, webhook.updated_at, queue.ledger_position AS position,
       queue.failing_since, CASE WHEN queue.failures > 0 THEN queue.next_attempt_at END AS next_attempt_at,
       (SELECT count(*) FROM webhook_delivery
         WHERE webhook_delivery.webhook_id = webhook.id AND webhook_delivery.status = 'waiting') AS waiting
  FROM webhook
  LEFT JOIN webhook_queue AS queue ON queue.webhook_id = webhook.id
 WHERE webhook.id = :id;

-- list_webhooks --
-- Webhooks, in the order they were made.
SELECT webhook.id, webhook.url, webhook.description, webhook.event_types, webhook.is_active,
       webhook.inactive_reason, webhook.created_at, webhook.updated_at, queue.ledger_position AS position,
       queue.failing_since, CASE WHEN queue.failures > 0 THEN queue.next_attempt_at END AS next_attempt_at,
       (SELECT count(*) FROM webhook_delivery
         WHERE webhook_delivery.webhook_id = webhook.id AND webhook_delivery.status = 'waiting') AS waiting
  FROM webhook
  LEFT JOIN webhook_queue AS queue ON queue.webhook_id = webhook.id
 ORDER BY webhook.id
 LIMIT :limit OFFSET :skip;

-- lock_webhook --
-- Whether there is a webhook; on Postgres it stays as it is until the end of the transaction.
SELECT id
  FROM webhook
 WHERE id = :id;

-- touch_webhook --
-- It is being changed, and nobody else changes it before the transaction ends.
UPDATE webhook
   SET updated_at = :updated_at
 WHERE id = :id;

-- change_webhook --
-- What a person may change of it.
UPDATE webhook
   SET url = :url, description = :description, event_types = :event_types, is_active = :is_active,
       inactive_reason = :inactive_reason
 WHERE id = :id;

-- rotate_webhook_secret --
-- A new secret; the one before signs as well for a while.
UPDATE webhook
   SET former_secret = secret, former_until = :former_until, secret = :secret
 WHERE id = :id;

-- switch_webhook_off --
-- It is inactive, for a reason.
UPDATE webhook
   SET is_active = FALSE, inactive_reason = :reason, updated_at = :updated_at
 WHERE id = :id AND is_active;

-- count_webhooks_off --
-- Those that were switched off for a reason, and not by a person.
SELECT count(*)
  FROM webhook
 WHERE NOT is_active AND inactive_reason IS NOT NULL;

-- remove_webhook --
-- A webhook, with its queue and its deliveries.
DELETE FROM webhook
 WHERE id = :id;

-- get_webhook_ends --
-- The ends of the ledger and of the news.
SELECT (SELECT coalesce(max(id), 0) FROM stock_event) AS ledger,
       (SELECT coalesce(max(id), 0) FROM webhook_news) AS news;

-- begin_webhook_queue --
-- A place to go on from, for a webhook that has none.
INSERT INTO webhook_queue (webhook_id, ledger_position, news_position, next_attempt_at)
VALUES (:webhook_id, :ledger, :news, :now)
ON CONFLICT (webhook_id) DO NOTHING;

-- list_webhook_places --
-- Where the active webhooks stand, and which webhooks stand nowhere.
SELECT webhook.id, webhook.event_types AS stored_types, queue.ledger_position AS ledger,
       queue.news_position AS news,
       (SELECT count(*) FROM webhook_delivery
         WHERE webhook_delivery.webhook_id = webhook.id AND webhook_delivery.status = 'waiting') AS waiting
  FROM webhook
  LEFT JOIN webhook_queue AS queue ON queue.webhook_id = webhook.id
 WHERE webhook.is_active OR queue.webhook_id IS NULL
 ORDER BY webhook.id;

-- list_webhook_news --
-- What happened beside the ledger after :after up to :until, oldest first, with the alert that it is about. Of an alert
-- that was deleted there is nothing to tell.
SELECT news.id, news.event_type, news.data AS data_json, news.occurred_at, alert.id AS alert_id, alert.alert_type,
       alert.message, CAST(alert.threshold_milli AS DOUBLE PRECISION) / 1000 AS threshold_value,
       alert.is_acknowledged, alert.acknowledged_at, alert.sku_id, alert.item_id, alert.created_at, alert.updated_at
  FROM webhook_news AS news
  LEFT JOIN alert ON alert.id = news.alert_id
 WHERE news.id > :after AND news.id <= :until AND (news.alert_id IS NULL OR alert.id IS NOT NULL)
 ORDER BY news.id
 LIMIT :limit;

-- advance_webhook_queue --
-- A webhook is handed what lies between; of several who hand out the same, one does.
UPDATE webhook_queue
   SET ledger_position = :ledger, news_position = :news
 WHERE webhook_id = :webhook_id AND ledger_position = :from_ledger AND news_position = :from_news
   AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_queue.webhook_id AND webhook.is_active);

-- place_webhook_in_ledger --
-- Where in the ledger a webhook goes on from, unless it has been handed more than that meanwhile.
UPDATE webhook_queue
   SET ledger_position = :ledger
 WHERE webhook_id = :webhook_id AND ledger_position < :ledger;

-- place_webhook_in_news --
-- Where in the news a webhook goes on from, unless it has been handed more than that meanwhile.
UPDATE webhook_queue
   SET news_position = :news
 WHERE webhook_id = :webhook_id AND news_position < :news;

-- hurry_webhook_queue --
-- What waits is sent now.
UPDATE webhook_queue
   SET next_attempt_at = :now
 WHERE webhook_id = :webhook_id;

-- forgive_webhook_queue --
-- Failures until now do not count any more, and what waits is sent now.
UPDATE webhook_queue
   SET next_attempt_at = :now, failures = 0, failing_since = NULL
 WHERE webhook_id = :webhook_id;

-- add_webhook_delivery --
-- Something to be sent.
INSERT INTO webhook_delivery (webhook_id, message_id, event_type, payload, position, status, created_at)
VALUES (:webhook_id, :message_id, :event_type, :payload, :position, 'waiting', :created_at)
RETURNING id;

-- trim_webhook_deliveries --
-- Of what was delivered or dropped, that which is not among the last :kept of its webhook.
DELETE FROM webhook_delivery
 WHERE webhook_id = :webhook_id AND status <> 'waiting'
   AND id <= (SELECT kept.id FROM webhook_delivery AS kept
               WHERE kept.webhook_id = :webhook_id
               ORDER BY kept.id DESC LIMIT 1 OFFSET :kept);

-- remove_old_webhook_deliveries --
-- What was delivered or dropped, and handed out long ago.
DELETE FROM webhook_delivery
 WHERE status <> 'waiting' AND created_at < :before;

-- remove_old_webhook_news --
-- News of long ago, or of which there are more than :kept, but for the last, after which the next is numbered.
DELETE FROM webhook_news
 WHERE id < (SELECT max(id) FROM webhook_news)
   AND (occurred_at < :before OR id <= (SELECT max(id) FROM webhook_news) - :kept);

-- get_webhook_delivery --
-- A delivery of a webhook, with what is sent.
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
 ORDER BY id DESC
 LIMIT :limit OFFSET :skip;

-- reopen_webhook_delivery --
-- It waits to be sent again.
UPDATE webhook_delivery
   SET status = 'waiting', delivered_at = NULL
 WHERE id = :id AND webhook_id = :webhook_id;

-- drop_webhook_deliveries --
-- What waits is not sent any more.
UPDATE webhook_delivery
   SET status = 'dropped'
 WHERE webhook_id = :webhook_id AND status = 'waiting';

-- find_due_webhook --
-- A webhook that is to be sent something now and that nobody is sending to.
SELECT queue.webhook_id
  FROM webhook_queue AS queue
  JOIN webhook ON webhook.id = queue.webhook_id
 WHERE webhook.is_active AND queue.next_attempt_at <= :now AND (queue.lease_until IS NULL OR queue.lease_until <= :now)
   AND EXISTS (SELECT 1 FROM webhook_delivery
                WHERE webhook_delivery.webhook_id = queue.webhook_id AND webhook_delivery.status = 'waiting')
 ORDER BY queue.next_attempt_at
 LIMIT 1;

-- claim_webhook --
-- This process sends to it for a while; of several that ask, one does.
UPDATE webhook_queue
   SET owner = :owner, lease_until = :lease_until
 WHERE webhook_id = :webhook_id AND (lease_until IS NULL OR lease_until <= :now);

-- end_webhook_leases --
-- Nobody is sending: the process that was has gone.
UPDATE webhook_queue
   SET owner = NULL, lease_until = NULL
 WHERE owner IS NOT NULL;

-- hold_webhook --
-- This process goes on sending to it.
UPDATE webhook_queue
   SET lease_until = :lease_until
 WHERE webhook_id = :webhook_id AND owner = :owner;

-- let_go_of_webhook --
-- This process does not send to it any more.
UPDATE webhook_queue
   SET owner = NULL, lease_until = NULL
 WHERE webhook_id = :webhook_id AND owner = :owner;

-- find_next_delivery --
-- What its owner has to send to a webhook first.
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
-- The receiver has taken it.
UPDATE webhook_delivery
   SET status = 'delivered', attempts = attempts + 1, response_status = :response_status, error = NULL,
       attempted_at = :now, delivered_at = :now
 WHERE message_id = :message_id AND status = 'waiting';

-- note_not_delivered --
-- The receiver has not taken it, and why.
UPDATE webhook_delivery
   SET attempts = attempts + 1, response_status = :response_status, error = :error, attempted_at = :now
 WHERE message_id = :message_id AND status = 'waiting';

-- note_webhook_works --
-- The receiver of this process's webhook takes what it is sent.
UPDATE webhook_queue
   SET failures = 0, failing_since = NULL
 WHERE webhook_id = :webhook_id AND owner = :owner;

-- delay_webhook --
-- The receiver of this process's webhook does not, and is left alone for a while; unless it was repaired meanwhile.
UPDATE webhook_queue
   SET failures = failures + 1, failing_since = :failing_since, next_attempt_at = :next_attempt_at,
       owner = NULL, lease_until = NULL
 WHERE webhook_id = :webhook_id AND owner = :owner
   AND failures = :failures AND coalesce(failing_since, :failing_since) = :failing_since
   AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_queue.webhook_id AND webhook.url = :url);

-- add_webhook_news --
-- Something that happened beside the ledger and the alerts, which note themselves.
INSERT INTO webhook_news (event_type, data, occurred_at)
VALUES (:event_type, :data, :occurred_at);
