DROP INDEX item_to_review;
DROP INDEX alert_unacknowledged;
DROP INDEX alert_by_cause;
