-- Accounts, catalogue, ledger, scanners, alerts and audit, on both dialects.
-- Quantities are whole thousandths (…_milli). Times are UTC. A unique index is named as SQLite reports
-- it, with "__" for the dots and commas, so that one table of messages serves both dialects.
-- The …__no_nul checks refuse text with a NUL character: SQLite's length() stops at the first one.

CREATE TABLE user_account (
    id            INTEGER PRIMARY KEY,
    username      TEXT NOT NULL CHECK (length(username) BETWEEN 3 AND 50),
    email         TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'member', 'scanner', 'read_only')),
    is_active     BOOLEAN NOT NULL DEFAULT TRUE,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    CONSTRAINT user_account__no_nul
        CHECK (length(username || email || '.') = length(username) + length(email) + 1)
);
CREATE UNIQUE INDEX user_account__username ON user_account (lower(username));
CREATE UNIQUE INDEX user_account__email ON user_account (lower(email));

CREATE TABLE sign_in (
    id            TEXT PRIMARY KEY,
    user_id       BIGINT NOT NULL REFERENCES user_account (id),
    is_remembered BOOLEAN NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    expires_at    TIMESTAMPTZ NOT NULL,
    revoked_at    TIMESTAMPTZ
);
CREATE INDEX sign_in_by_user ON sign_in (user_id);

CREATE TABLE refresh_token (
    token_hash  TEXT PRIMARY KEY,
    sign_in_id  TEXT NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    created_at  TIMESTAMPTZ NOT NULL,
    used_at     TIMESTAMPTZ
);
CREATE INDEX refresh_token_by_sign_in ON refresh_token (sign_in_id);

CREATE TABLE api_key (
    id           INTEGER PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES user_account (id),
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    key_hash     TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    CONSTRAINT api_key__no_nul CHECK (length(name || '.') = length(name) + 1)
);
CREATE UNIQUE INDEX api_key__prefix ON api_key (prefix);
CREATE INDEX api_key_by_user ON api_key (user_id);

-- One row. Its number grows with every change of who may do what, so that a process knows when to forget.
CREATE TABLE auth_revision (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);
INSERT INTO auth_revision (id, revision) VALUES (1, 0);

CREATE TABLE location (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description  TEXT NOT NULL DEFAULT '',
    storage_type TEXT NOT NULL
        CHECK (storage_type IN ('pantry', 'refrigerator', 'freezer', 'counter', 'garage', 'other')),
    box_no       BIGINT,
    loc_no       BIGINT,
    is_active    BOOLEAN NOT NULL DEFAULT TRUE,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT location__no_nul
        CHECK (length(name || description || '.') = length(name) + length(description) + 1)
);
CREATE UNIQUE INDEX location__name ON location (name) WHERE is_active;
CREATE UNIQUE INDEX location__box_no__loc_no ON location (box_no, loc_no);

CREATE TABLE item (
    id                   INTEGER PRIMARY KEY,
    code                 TEXT NOT NULL CHECK (length(code) = 4),
    name                 TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description          TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 1000),
    default_storage_type TEXT NOT NULL
        CHECK (default_storage_type IN ('pantry', 'refrigerator', 'freezer', 'counter', 'garage', 'other')),
    min_quantity_milli   BIGINT CHECK (min_quantity_milli >= 0),
    oversell_policy      TEXT NOT NULL DEFAULT 'reject' CHECK (oversell_policy IN ('reject', 'clamp', 'allow')),
    needs_review         BOOLEAN NOT NULL DEFAULT FALSE,
    is_active            BOOLEAN NOT NULL DEFAULT TRUE,
    uda_fetched          BOOLEAN NOT NULL DEFAULT FALSE,
    uda_fetch_attempted  BOOLEAN NOT NULL DEFAULT FALSE,
    upc_data             TEXT,
    version              BIGINT NOT NULL DEFAULT 1,
    created_at           TIMESTAMPTZ NOT NULL,
    updated_at           TIMESTAMPTZ NOT NULL,
    CONSTRAINT item__no_nul
        CHECK (length(name || description || coalesce(upc_data, '') || '.')
               = length(name) + length(description) + length(coalesce(upc_data, '')) + 1)
);
CREATE UNIQUE INDEX item__code ON item (code);
CREATE INDEX item_by_name ON item (lower(name));

CREATE TABLE barcode (
    id         INTEGER PRIMARY KEY,
    code       TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 128),
    item_id    BIGINT NOT NULL REFERENCES item (id),
    pack_milli BIGINT NOT NULL DEFAULT 1000 CHECK (pack_milli > 0),
    is_primary BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT barcode__no_nul CHECK (length(code || '.') = length(code) + 1)
);
CREATE UNIQUE INDEX barcode__code ON barcode (code);
CREATE UNIQUE INDEX barcode_primary ON barcode (item_id) WHERE is_primary;
CREATE INDEX barcode_by_item ON barcode (item_id);

-- One item at one place, optionally one lot of it (its expiry date). The quantity is the sum of its ledger.
CREATE TABLE sku (
    id             INTEGER PRIMARY KEY,
    item_id        BIGINT NOT NULL REFERENCES item (id),
    location_id    BIGINT NOT NULL REFERENCES location (id),
    expiry_date    DATE,
    quantity_milli BIGINT NOT NULL DEFAULT 0,
    unit           TEXT NOT NULL DEFAULT 'piece' CHECK (length(unit) BETWEEN 1 AND 50),
    notes          TEXT NOT NULL DEFAULT '' CHECK (length(notes) <= 1000),
    is_active      BOOLEAN NOT NULL DEFAULT TRUE,
    version        BIGINT NOT NULL DEFAULT 1,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT sku__no_nul CHECK (length(unit || notes || '.') = length(unit) + length(notes) + 1)
);
CREATE UNIQUE INDEX sku__item_id__location_id ON sku (item_id, location_id) WHERE expiry_date IS NULL;
CREATE UNIQUE INDEX sku__item_id__location_id__expiry_date ON sku (item_id, location_id, expiry_date)
 WHERE expiry_date IS NOT NULL;
CREATE INDEX sku_by_item ON sku (item_id);
CREATE INDEX sku_by_location ON sku (location_id);
CREATE INDEX sku_by_expiry ON sku (expiry_date) WHERE expiry_date IS NOT NULL AND is_active;

-- The ledger. Rows are added and never changed. Rows of one transfer share the id of its first row; what one
-- request or transfer wrote shares a batch_id. event_id is the client's own name for it, fingerprint its content.
CREATE TABLE stock_event (
    id                   INTEGER PRIMARY KEY,
    event_id             TEXT,
    fingerprint          TEXT,
    batch_id             TEXT,
    transfer_id          BIGINT,
    kind                 TEXT NOT NULL CHECK (kind IN ('add', 'remove', 'move', 'set', 'undo')),
    item_id              BIGINT NOT NULL REFERENCES item (id),
    location_id          BIGINT NOT NULL REFERENCES location (id),
    sku_id               BIGINT NOT NULL REFERENCES sku (id),
    delta_milli          BIGINT NOT NULL,
    quantity_after_milli BIGINT NOT NULL,
    occurred_at          TIMESTAMPTZ NOT NULL,
    recorded_at          TIMESTAMPTZ NOT NULL,
    user_id              BIGINT REFERENCES user_account (id),
    scanner_id           TEXT,
    reverses_id          BIGINT REFERENCES stock_event (id),
    note                 TEXT,
    CONSTRAINT stock_event__no_nul
        CHECK (length(coalesce(event_id, '') || coalesce(scanner_id, '') || coalesce(note, '') || '.')
               = length(coalesce(event_id, '')) + length(coalesce(scanner_id, '')) + length(coalesce(note, '')) + 1)
);
CREATE UNIQUE INDEX stock_event__event_id ON stock_event (event_id) WHERE event_id IS NOT NULL;
CREATE UNIQUE INDEX stock_event__reverses_id ON stock_event (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX stock_event_by_item ON stock_event (item_id, id);
CREATE INDEX stock_event_by_location ON stock_event (location_id, id);
CREATE INDEX stock_event_by_user ON stock_event (user_id, id);
CREATE INDEX stock_event_by_batch ON stock_event (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX stock_event_by_transfer ON stock_event (transfer_id) WHERE transfer_id IS NOT NULL;
CREATE INDEX stock_event_by_scanner ON stock_event (scanner_id, id) WHERE scanner_id IS NOT NULL;

-- Events that were refused keep their answer, so that the same event_id is never refused once and applied later.
CREATE TABLE event_refusal (
    event_id    TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    refusal     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT event_refusal__no_nul CHECK (length(event_id || reason || '.') = length(event_id) + length(reason) + 1)
);

CREATE TABLE scanner (
    id                 INTEGER PRIMARY KEY,
    scanner_id         TEXT NOT NULL CHECK (length(scanner_id) BETWEEN 1 AND 128),
    user_id            BIGINT REFERENCES user_account (id),
    mode               TEXT NOT NULL DEFAULT 'add' CHECK (mode IN ('add', 'remove', 'move', 'lookup', 'count')),
    location_id        BIGINT REFERENCES location (id),
    associated_user_id BIGINT REFERENCES user_account (id),
    view               TEXT,
    last_seen          TIMESTAMPTZ,
    last_scan          TEXT,
    CONSTRAINT scanner__no_nul
        CHECK (length(scanner_id || coalesce(view, '') || coalesce(last_scan, '') || '.')
               = length(scanner_id) + length(coalesce(view, '')) + length(coalesce(last_scan, '')) + 1)
);
CREATE UNIQUE INDEX scanner__scanner_id ON scanner (scanner_id);

CREATE TABLE alert (
    id              INTEGER PRIMARY KEY,
    alert_type      TEXT NOT NULL CHECK (length(alert_type) BETWEEN 1 AND 50),
    message         TEXT NOT NULL CHECK (length(message) BETWEEN 1 AND 1000),
    threshold_milli BIGINT,
    sku_id          BIGINT REFERENCES sku (id),
    item_id         BIGINT REFERENCES item (id),
    is_active       BOOLEAN NOT NULL DEFAULT TRUE,
    is_acknowledged BOOLEAN NOT NULL DEFAULT FALSE,
    acknowledged_at TIMESTAMPTZ,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT alert__no_nul CHECK (length(alert_type || message || '.') = length(alert_type) + length(message) + 1)
);
CREATE UNIQUE INDEX alert__alert_type__sku_id ON alert (alert_type, sku_id) WHERE is_active AND sku_id IS NOT NULL;

-- Who changed what, apart from quantities, which have the ledger.
CREATE TABLE audit_entry (
    id          INTEGER PRIMARY KEY,
    occurred_at TIMESTAMPTZ NOT NULL,
    user_id     BIGINT REFERENCES user_account (id),
    action      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    subject_id  TEXT,
    details     TEXT NOT NULL DEFAULT '{}',
    request_id  TEXT,
    CONSTRAINT audit_entry__no_nul CHECK (length(details || '.') = length(details) + 1)
);
CREATE INDEX audit_entry_by_subject ON audit_entry (subject, subject_id);
CREATE INDEX audit_entry_by_user ON audit_entry (user_id);
