-- Notices: messages to people about causes that need attention. The channels are data; which causes there are and what
-- was sent belongs to the running service, and a restore forgets it: a channel without a queue skips what lasts then.
-- depends: 0032.lending

-- `target` is a JSON array of addresses for e-mail, else the URL of a service, which is a secret. `at_once` and `daily`
-- are JSON arrays of causes. An empty `timezone` is that of the server.
CREATE TABLE notice_channel (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    kind            TEXT NOT NULL CHECK (kind IN ('email', 'service')),
    target          TEXT NOT NULL CHECK (length(target) BETWEEN 1 AND 6000),
    language        TEXT NOT NULL CHECK (length(language) BETWEEN 2 AND 10),
    at_once         TEXT NOT NULL,
    daily           TEXT NOT NULL,
    daily_at        TEXT NOT NULL CHECK (length(daily_at) = 5),
    quiet_from      TEXT CHECK (length(quiet_from) = 5),
    quiet_until     TEXT CHECK (length(quiet_until) = 5),
    timezone        TEXT NOT NULL DEFAULT '' CHECK (length(timezone) <= 100),
    is_active       BOOLEAN NOT NULL DEFAULT TRUE,
    inactive_reason TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT notice_channel__quiet CHECK ((quiet_from IS NULL) = (quiet_until IS NULL)),
    CONSTRAINT notice_channel__no_nul
        CHECK (length(name || target || timezone || '.') = length(name) + length(target) + length(timezone) + 1)
);

-- The state of a channel: its failures, and until when its daily messages are done. While `is_settling` is true, after a
-- restore, what is found is skipped.
CREATE TABLE notice_queue (
    channel_id      BIGINT PRIMARY KEY REFERENCES notice_channel (id) ON DELETE CASCADE,
    is_settling     BOOLEAN NOT NULL DEFAULT FALSE,
    failures        BIGINT NOT NULL DEFAULT 0,
    failing_since   TIMESTAMPTZ,
    last_error      TEXT,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    last_sent_at    TIMESTAMPTZ,
    daily_done_at   TIMESTAMPTZ NOT NULL
);

-- A cause from its begin to its end: that of an alert, or another one, of which `subject` says what it is about.
CREATE TABLE notice (
    id       INTEGER PRIMARY KEY,
    cause    TEXT NOT NULL,
    alert_id BIGINT,
    subject  TEXT NOT NULL DEFAULT '',
    message  TEXT NOT NULL,
    began_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX notice__alert_id ON notice (alert_id) WHERE alert_id IS NOT NULL;
CREATE UNIQUE INDEX notice__cause__subject ON notice (cause, subject) WHERE alert_id IS NULL AND ended_at IS NULL;
CREATE INDEX notice_lasting ON notice (cause, id) WHERE ended_at IS NULL;

-- What a channel needs not send again; `sent_at` is NULL for what it skipped.
CREATE TABLE notice_sent (
    channel_id BIGINT NOT NULL REFERENCES notice_channel (id) ON DELETE CASCADE,
    notice_id  BIGINT NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    sent_at    TIMESTAMPTZ,
    PRIMARY KEY (channel_id, notice_id)
);
CREATE INDEX notice_sent_by_notice ON notice_sent (notice_id);

-- The one process of several that looks for causes and sends.
CREATE TABLE notice_lease (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    owner       TEXT NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL
);
