DROP TRIGGER alert_turned_is_news ON alert;
DROP TRIGGER alert_raised_is_news ON alert;
DROP FUNCTION note_alert_as_news();
DROP TABLE webhook_news;
DROP TABLE webhook_delivery;
DROP TABLE webhook_queue;
DROP TABLE webhook;
