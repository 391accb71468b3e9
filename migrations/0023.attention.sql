-- What needs attention is counted in indexes: the causes of alerts, unacknowledged alerts, and items to review.
-- depends: 0022.languages

CREATE INDEX alert_by_cause ON alert (alert_type, item_id) WHERE cause_lasts;
CREATE INDEX alert_unacknowledged ON alert (id) WHERE is_active AND NOT is_acknowledged;
CREATE INDEX item_to_review ON item (id) WHERE needs_review AND is_active;
