-- Webhooks: other programs that are told what happens. Whom to tell is data; how far each has been told belongs to the
-- running service, and a restore forgets it: who has no queue is told that the data is another, and begins at its end.
-- depends: 0014.look-ups

CREATE TABLE webhook (
    id              INTEGER PRIMARY KEY,
    url             TEXT NOT NULL CHECK (length(url) <= 2000 AND (lower(url) LIKE 'http://%' OR lower(url) LIKE 'https://%')),
    description     TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 200),
    event_types     TEXT NOT NULL,
    secret          TEXT NOT NULL CHECK (length(secret) BETWEEN 32 AND 200),
    former_secret   TEXT,
    former_until    TIMESTAMPTZ,
    is_active       BOOLEAN NOT NULL DEFAULT TRUE,
    inactive_reason TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT webhook__no_nul
        CHECK (length(url || description || secret || '.') = length(url) + length(description) + length(secret) + 1)
);

-- How far a webhook has been handed the ledger and the news, and who is sending to it until when.
CREATE TABLE webhook_queue (
    webhook_id      BIGINT PRIMARY KEY REFERENCES webhook (id) ON DELETE CASCADE,
    ledger_position BIGINT NOT NULL,
    news_position   BIGINT NOT NULL,
    failures        BIGINT NOT NULL DEFAULT 0,
    failing_since   TIMESTAMPTZ,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    owner           TEXT,
    lease_until     TIMESTAMPTZ
);

-- What a webhook is sent, in the order of the ids; a position is the last ledger id that it tells of.
CREATE TABLE webhook_delivery (
    id              INTEGER PRIMARY KEY,
    webhook_id      BIGINT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    message_id      TEXT NOT NULL,
    event_type      TEXT NOT NULL,
    payload         TEXT NOT NULL,
    position        BIGINT,
    status          TEXT NOT NULL CHECK (status IN ('waiting', 'delivered', 'dropped')),
    attempts        BIGINT NOT NULL DEFAULT 0,
    response_status BIGINT,
    error           TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    attempted_at    TIMESTAMPTZ,
    delivered_at    TIMESTAMPTZ
);
CREATE UNIQUE INDEX webhook_delivery__message_id ON webhook_delivery (message_id);
CREATE UNIQUE INDEX webhook_delivery__webhook_id__position ON webhook_delivery (webhook_id, position)
 WHERE position IS NOT NULL;
CREATE INDEX webhook_delivery_by_webhook ON webhook_delivery (webhook_id, id);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (webhook_id, id) WHERE status = 'waiting';

-- What happened beside the ledger, noted in the transaction in which it did.
CREATE TABLE webhook_news (
    id          INTEGER PRIMARY KEY,
    event_type  TEXT NOT NULL,
    alert_id    BIGINT,
    data        TEXT,
    occurred_at TIMESTAMPTZ NOT NULL
);

CREATE TRIGGER alert_raised_is_news AFTER INSERT ON alert WHEN NEW.is_active
BEGIN
    INSERT INTO webhook_news (event_type, alert_id, occurred_at) VALUES ('alert.raised', NEW.id, NEW.updated_at);
END;
CREATE TRIGGER alert_turned_is_news AFTER UPDATE OF is_active ON alert WHEN OLD.is_active <> NEW.is_active
BEGIN
    INSERT INTO webhook_news (event_type, alert_id, occurred_at)
    VALUES (CASE WHEN NEW.is_active THEN 'alert.raised' ELSE 'alert.resolved' END, NEW.id, NEW.updated_at);
END;
