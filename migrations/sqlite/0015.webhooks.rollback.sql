DROP TRIGGER alert_turned_is_news;
DROP TRIGGER alert_raised_is_news;
DROP TABLE webhook_news;
DROP TABLE webhook_delivery;
DROP TABLE webhook_queue;
DROP TABLE webhook;
